import { z } from 'zod'
import { record } from '../../../governance/management/limit-fields.ts'
import type { Management } from '../../../governance/management/management.ts'
import { ConfigSettings, type SettingChanges } from '../../../governance/management/settings/config-settings.ts'
import { settableSections } from '../../../governance/management/settings/runtime-keys.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const fieldName = z.string().min(1).max(200)
const section = z.enum(settableSections).default('general_settings')
const row = z.object({ param_name: z.string(), param_value: record })
const listed = z.object({
  field_name: z.string(),
  field_type: z.string(),
  field_description: z.string(),
  field_value: z.unknown(),
  stored_in_db: z.boolean().nullable().describe('true: set here; false: by the config file; null: nowhere.'),
  field_default_value: z.unknown(),
  premium_field: z.literal(false),
  nested_fields: z.null(),
})

/** LiteLLM's calls around settings that are kept in the database and win over the config file. */
export function settingsRoutes(gateway: Gateway, management: Management): Route[] {
  const settings = new ConfigSettings(management)
  const inForce = () => gateway.snapshot.loaded.config
  const write = { tag: 'settings', method: 'POST', permission: 'admin' } as const
  const read = { tag: 'settings', method: 'GET', permission: 'viewer' } as const
  return [
    apiRoute({
      ...write,
      paths: ['/config/update'],
      summary: 'Set settings in the database',
      description:
        'They win over the config file, on every replica at once. A key that cannot take effect while the gateway runs is refused, and then nothing is changed. `null` takes a key out again.',
      body: z.object({
        general_settings: record.nullish(),
        litellm_settings: record.nullish(),
        router_settings: record.nullish(),
        environment_variables: record.nullish(),
      }),
      response: z.object({ message: z.string() }),
      handle: async ({ body, ...caller }) => {
        if (Object.keys(body.environment_variables ?? {}).length > 0) throw environmentIsRead()
        await settings.update(caller, sectionsOf(body), inForce())
        return { message: 'Config updated successfully' }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/config/field/update'],
      summary: 'Set one setting in the database',
      body: z.object({ field_name: fieldName, field_value: z.unknown(), config_type: section }),
      response: row,
      handle: async ({ body, ...caller }) => {
        if (body.field_value == null) {
          throw new GatewayError(
            'missing_field',
            "'field_value' is required; POST /config/field/delete removes a setting.",
            {
              param: 'field_value',
            },
          )
        }
        const changes = { [body.config_type]: { [body.field_name]: body.field_value } }
        const changed = await settings.update(caller, changes, inForce())
        return { param_name: body.config_type, param_value: { ...changed[body.config_type] } }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/config/field/delete'],
      summary: 'Take a setting out of the database',
      description: 'What the config file says is in force again.',
      body: z.object({ field_name: fieldName, config_type: section }),
      response: row,
      handle: async ({ body, ...caller }) => ({
        param_name: body.config_type,
        param_value: { ...(await settings.remove(caller, body.config_type, body.field_name, inForce())) },
      }),
    }),
    apiRoute({
      ...read,
      paths: ['/config/field/info'],
      summary: 'A setting as it is in the database',
      query: z.object({ field_name: fieldName, config_type: section }),
      response: z.object({ field_name: z.string(), field_value: z.unknown() }),
      handle: async ({ query }) => ({
        field_name: query.field_name,
        field_value: await settings.info(query.config_type, query.field_name),
      }),
    }),
    apiRoute({
      ...read,
      paths: ['/config/list'],
      summary: 'Settings that can be set in the database, and what is in force',
      query: z.object({ config_type: section }),
      response: z.array(listed),
      handle: async ({ query }) => [...(await settings.list(query.config_type, inForce()))],
    }),
    apiRoute({
      ...read,
      paths: ['/get/config/callbacks'],
      summary: 'Integrations and routing settings in force',
      response: z.object({
        status: z.literal('success'),
        callbacks: z.array(z.object({ name: z.string(), type: z.string(), variables: record })),
        alerts: z.array(z.object({ name: z.string(), variables: record })),
        router_settings: record,
      }),
      handle: () => {
        const { litellm_settings: litellm, general_settings: general, router_settings: router } = inForce()
        const named = (type: string, names: readonly string[] = []) =>
          names.map(name => ({ name, type, variables: {} }))
        return {
          status: 'success' as const,
          callbacks: [
            ...named('success_and_failure', litellm.callbacks),
            ...named('success', litellm.success_callback),
            ...named('failure', litellm.failure_callback),
          ],
          alerts: (general.alerting ?? []).map(name => ({ name, variables: {} })),
          router_settings: shownRouter(router),
        }
      },
    }),
  ]
}

/** Credentials are wrapped, and stay so. */
const shownRouter = (router: object): Record<string, unknown> =>
  JSON.parse(JSON.stringify(router)) as Record<string, unknown>

function sectionsOf(body: { readonly [name in (typeof settableSections)[number]]?: unknown }): SettingChanges {
  return Object.fromEntries(
    settableSections.flatMap(name => (body[name] == null ? [] : [[name, body[name]]])),
  ) as SettingChanges
}

const environmentIsRead = (): GatewayError =>
  new GatewayError(
    'invalid_request',
    "'environment_variables' are read when the configuration is loaded: set them in the config file, in the environment or in a secret manager.",
    { param: 'environment_variables' },
  )
