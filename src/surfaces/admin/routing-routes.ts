import { z } from 'zod'
import { apiRoute } from '../api-route.ts'
import type { Fleet } from '../fleet.ts'
import type { Route } from '../route.ts'

const artifact = z.object({
  path: z.string(),
  artifact: z.string().nullable().describe('First 12 hex digits of its SHA-256; null while none could be loaded.'),
  name: z.string().nullable(),
  created: z.string().nullable(),
  models: z.array(z.string()),
  methods: z.array(z.string()),
  signed: z.boolean(),
  loads: z.int().describe('How often another content of the file came into use.'),
  problem: z.string().nullable().describe('Why what is on disk now is not in use.'),
})

/** The trained routers that the configuration names. */
export function routingRoutes(fleet: Fleet): Route[] {
  return [
    apiRoute({
      method: 'GET',
      paths: ['/v1/routeiq/routing'],
      permission: 'admin',
      tag: 'routing',
      summary: 'Artifacts on disk: which are in use, and why others are not',
      response: z.object({ artifacts: z.array(artifact) }),
      async handle() {
        const artifacts = await fleet.artifacts()
        return {
          artifacts: artifacts.map(status => ({
            ...status,
            models: [...status.models],
            methods: [...status.methods],
          })),
        }
      },
    }),
  ]
}
