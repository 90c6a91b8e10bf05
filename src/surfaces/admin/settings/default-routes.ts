import { z } from 'zod'
import { record } from '../../../governance/management/limit-fields.ts'
import type { Management } from '../../../governance/management/management.ts'
import { ConfigSettings } from '../../../governance/management/settings/config-settings.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const shown = z.object({ values: record, field_schema: record })
const updated = z.object({ message: z.string(), status: z.literal('success'), settings: record })

/** Keys of `litellm_settings` that LiteLLM's dashboard has pages for, by the name of the page. */
const pages = [
  {
    page: 'internal_user_settings',
    key: 'default_internal_user_params',
    title: 'Internal user settings',
    description: 'Fields of new users that a request leaves out.',
  },
  {
    page: 'default_team_settings',
    key: 'default_team_params',
    title: 'Default team settings',
    description: 'Fields of new teams that a request leaves out.',
  },
] as const

/** `/get/<page>` and `/update/<page>`: other doors to settings of the database. */
export function defaultRoutes(gateway: Gateway, management: Management): Route[] {
  const settings = new ConfigSettings(management)
  const inForce = () => gateway.snapshot.loaded.config
  const plain = (value: object) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>
  const pageRoutes = pages.flatMap(({ page, key, title, description }) => [
    apiRoute({
      tag: 'settings',
      method: 'GET',
      permission: 'viewer',
      paths: [`/get/${page}`],
      summary: description,
      response: shown,
      handle: () => ({
        values: plain(inForce().litellm_settings[key]),
        field_schema: { description, properties: {} },
      }),
    }),
    apiRoute({
      tag: 'settings',
      method: 'PATCH',
      permission: 'admin',
      paths: [`/update/${page}`],
      summary: `${description} Kept in the database; takes the place of what was there.`,
      body: z.looseObject({}),
      response: updated,
      handle: async ({ body, ...caller }) => {
        const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
        await settings.update(caller, { litellm_settings: { [key]: given } }, inForce())
        return { message: `${title} updated successfully`, status: 'success' as const, settings: given }
      },
    }),
  ])
  const throttle = 'budget_exceeded_throttle_percentage'
  return [
    ...pageRoutes,
    apiRoute({
      tag: 'settings',
      method: 'GET',
      permission: 'viewer',
      paths: ['/get/budget_settings'],
      summary: 'What happens to keys that have spent their budget',
      response: shown,
      handle: () => ({
        values: { [throttle]: inForce().litellm_settings[throttle] ?? null },
        field_schema: {
          description: 'What happens to keys that have spent their budget',
          properties: { [throttle]: { type: 'number', exclusiveMinimum: 0, maximum: 1 } },
        },
      }),
    }),
    apiRoute({
      tag: 'settings',
      method: 'PATCH',
      permission: 'admin',
      paths: ['/update/budget_settings'],
      summary: 'Set it, in the database; null: they are refused',
      body: z.object({ [throttle]: z.number().nullable() }),
      response: updated,
      handle: async ({ body, ...caller }) => {
        await settings.update(caller, { litellm_settings: { [throttle]: body[throttle] } }, inForce())
        return { message: 'Budget settings updated successfully', status: 'success' as const, settings: { ...body } }
      },
    }),
  ]
}
