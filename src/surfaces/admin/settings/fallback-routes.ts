import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { Fallbacks } from '../../../governance/management/settings/fallbacks.ts'
import { fallbackTypes } from '../../../governance/management/settings/stored-config.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const modelName = z.string().min(1).max(512)
const fallbackType = z.enum(fallbackTypes).default('general')
const entry = z.object({
  model: z.string(),
  fallback_models: z.array(z.string()),
  fallback_type: z.enum(fallbackTypes),
})
/** Names of models may hold slashes, as they are or encoded. */
const ofPath = z.object({ '*': modelName })
const ofType = z.object({ fallback_type: fallbackType })

/** LiteLLM's calls around fallbacks: which models are tried when one cannot answer. */
export function fallbackRoutes(gateway: Gateway, management: Management): Route[] {
  const fallbacks = new Fallbacks(management)
  const inForce = () => gateway.snapshot.loaded.config
  const known = (model: string): boolean => gateway.snapshot.router.resolve(model) !== undefined
  const common = { tag: 'models' } as const
  return [
    apiRoute({
      ...common,
      method: 'POST',
      permission: 'admin',
      paths: ['/fallback'],
      summary: 'Set the fallbacks of a model',
      description: 'Kept in the database, over those of the config file; in force at once on every replica.',
      body: z.object({ model: modelName, fallback_models: z.array(modelName).max(100), fallback_type: fallbackType }),
      response: entry.extend({ message: z.string() }),
      handle: async ({ body, ...caller }) => {
        const existed = await fallbacks.set(caller, body, known)
        return { ...body, message: `Fallback configuration ${existed ? 'updated' : 'created'} successfully` }
      },
    }),
    apiRoute({
      ...common,
      method: 'GET',
      permission: 'viewer',
      paths: ['/fallback/*'],
      summary: 'The fallbacks of a model, of the database or the config file',
      params: ofPath,
      query: ofType,
      response: entry,
      handle: async ({ params, query }) => {
        const found = await fallbacks.get(params['*'], query.fallback_type, inForce())
        return { ...found, fallback_models: [...found.fallback_models] }
      },
    }),
    apiRoute({
      ...common,
      method: 'DELETE',
      permission: 'admin',
      paths: ['/fallback/*'],
      summary: 'Take the fallbacks of a model out of the database',
      params: ofPath,
      query: ofType,
      response: z.object({ model: z.string(), fallback_type: z.enum(fallbackTypes), message: z.string() }),
      handle: async ({ params, query, ...caller }) => {
        await fallbacks.delete(caller, params['*'], query.fallback_type, inForce())
        const message = 'Fallback configuration deleted successfully'
        return { model: params['*'], fallback_type: query.fallback_type, message }
      },
    }),
  ]
}
