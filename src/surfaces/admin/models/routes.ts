import { z } from 'zod'
import type { Principal } from '../../../governance/authentication/principal.ts'
import { idText, record } from '../../../governance/management/limit-fields.ts'
import type { Management } from '../../../governance/management/management.ts'
import { Credentials } from '../../../governance/management/models/credentials.ts'
import { Models, shownParams } from '../../../governance/management/models/models.ts'
import type { Deployment } from '../../../pipeline/deployment.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { mayUse } from '../../../pipeline/identity/authorize-model.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute, pageNumber, pageSize } from '../../api-route.ts'
import type { Route } from '../../route.ts'

type Shown = Record<string, unknown>

const stored = z.looseObject({ model_id: z.string(), model_name: z.string() })
type Stored = z.input<typeof stored>
const listed = z.looseObject({ model_name: z.string(), litellm_params: record, model_info: record })
type Listed = z.input<typeof listed>

export function modelRoutes(gateway: Gateway, management: Management): Route[] {
  return [...storedModelRoutes(management), ...viewRoutes(gateway), ...credentialRoutes(gateway, management)]
}

function storedModelRoutes(management: Management): Route[] {
  const models = new Models(management, management.cipher, management.checkModel)
  const write = { tag: 'models', method: 'POST', permission: 'admin' } as const
  const changes = z.object({
    model_name: idText.nullish(),
    litellm_params: record.nullish(),
    model_info: record.nullish(),
  })
  return [
    apiRoute({
      ...write,
      paths: ['/model/new'],
      summary: 'Add a deployment, kept in the database',
      description: 'Takes effect at once on every replica. Vendor settings are encrypted.',
      body: z.object({ model_name: idText, litellm_params: record, model_info: record.nullish() }),
      response: stored,
      handle: ({ body, ...caller }) => models.create(caller, body) as Promise<Stored>,
    }),
    apiRoute({
      ...write,
      paths: ['/model/update'],
      summary: 'Change a deployment of the database',
      body: changes.extend({ model_info: z.looseObject({ id: idText }) }),
      response: stored,
      handle: ({ body, ...caller }) => models.update(caller, body.model_info.id, body) as Promise<Stored>,
    }),
    apiRoute({
      ...write,
      method: 'PATCH',
      paths: ['/model/:id/update'],
      summary: 'Change a deployment of the database',
      params: z.object({ id: idText }),
      body: changes,
      response: stored,
      handle: ({ params, body, ...caller }) => models.update(caller, params.id, body) as Promise<Stored>,
    }),
    apiRoute({
      ...write,
      paths: ['/model/delete'],
      summary: 'Delete a deployment of the database',
      body: z.object({ id: idText }),
      response: z.object({ message: z.string() }),
      handle: async ({ body, ...caller }) => {
        await models.delete(caller, body.id)
        return { message: `Model: ${body.id} deleted successfully` }
      },
    }),
    ...(['block', 'unblock'] as const).map(verb =>
      apiRoute({
        ...write,
        paths: [`/model/${verb}`],
        summary: verb === 'block' ? 'Pause a deployment of the database' : 'Put it back to work',
        body: z.object({ id: idText }),
        response: stored,
        handle: ({ body, ...caller }) => models.setBlocked(caller, body.id, verb === 'block') as Promise<Stored>,
      }),
    ),
  ]
}

function viewRoutes(gateway: Gateway): Route[] {
  const read = {
    tag: 'models',
    method: 'GET',
    permission: 'llm',
    groups: ['info_routes', 'management_routes'],
  } as const
  const page = z.object({ data: z.array(listed) })
  const visible = (principal: Principal): Deployment[] =>
    gateway.snapshot.deployments.filter(({ group }) => mayUse(gateway.snapshot, principal, group))
  return [
    apiRoute({
      ...read,
      paths: ['/model/info', '/v1/model/info'],
      summary: 'Deployments you may use; their secrets are left out',
      query: z.object({ litellm_model_id: z.string().max(255).optional() }),
      response: page,
      handle: ({ query, principal }) => {
        const wanted = query.litellm_model_id
        const found = visible(principal).filter(({ id }) => wanted === undefined || id === wanted)
        if (wanted !== undefined && found.length === 0) {
          throw new GatewayError('not_found', `There is no deployment '${wanted}' that you may see.`)
        }
        return { data: found.map(deployment => deploymentView(gateway, deployment)) }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/v2/model/info'],
      summary: 'The same in pages',
      query: z.object({
        model: z.string().max(255).optional(),
        search: z.string().max(255).optional(),
        page: pageNumber,
        size: pageSize(50),
      }),
      response: page.extend({
        total_count: z.number(),
        current_page: z.number(),
        total_pages: z.number(),
        size: z.number(),
      }),
      handle: ({ query, principal }) => {
        const found = visible(principal).filter(
          ({ group }) =>
            (query.model === undefined || group === query.model) &&
            (query.search === undefined || group.includes(query.search)),
        )
        const start = (query.page - 1) * query.size
        return {
          data: found.slice(start, start + query.size).map(deployment => deploymentView(gateway, deployment)),
          total_count: found.length,
          current_page: query.page,
          total_pages: Math.ceil(found.length / query.size),
          size: query.size,
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/model_group/info'],
      summary: 'Model groups you may use, and what they can do',
      query: z.object({ model_group: z.string().max(255).optional() }),
      response: z.object({ data: z.array(z.looseObject({ model_group: z.string(), providers: z.array(z.string()) })) }),
      handle: ({ query, principal }) => {
        const groups = new Map<string, Deployment[]>()
        for (const deployment of visible(principal)) {
          if (query.model_group !== undefined && deployment.group !== query.model_group) continue
          groups.set(deployment.group, [...(groups.get(deployment.group) ?? []), deployment])
        }
        return { data: [...groups].map(([name, deployments]) => groupView(name, deployments)) }
      },
    }),
    apiRoute({
      tag: 'models',
      method: 'GET',
      permission: 'viewer',
      paths: ['/router/settings'],
      summary: 'Routing settings in force',
      response: z.object({ current_values: record }),
      handle: () => ({ current_values: { ...gateway.snapshot.loaded.config.router_settings } as Shown }),
    }),
  ]
}

function deploymentView(gateway: Gateway, deployment: Deployment): Listed {
  const entry = gateway.snapshot.loaded.config.model_list.find(
    ({ model_name: name, model_info: info }) =>
      name === deployment.group && (info?.id === undefined || info.id === deployment.id),
  )
  return {
    model_name: deployment.group,
    litellm_params: shownParams(JSON.parse(JSON.stringify(entry?.litellm_params ?? {})) as Shown),
    model_info: {
      ...(JSON.parse(JSON.stringify(entry?.model_info ?? {})) as Shown),
      id: deployment.id,
      key: `${deployment.target.vendor.id}/${deployment.target.model}`,
      litellm_provider: deployment.target.vendor.id,
      ...prices(deployment),
    },
  }
}

/** Dollars per token, as the price map has them. */
function prices({ price }: Deployment): Shown {
  const rates = price?.bands[0]?.rates
  const dollars = (pico: number | undefined): number | null =>
    pico === undefined || Number.isNaN(pico) ? null : pico / 1e12
  return { input_cost_per_token: dollars(rates?.input), output_cost_per_token: dollars(rates?.output) }
}

function groupView(name: string, deployments: readonly Deployment[]) {
  const [first] = deployments
  const sum = (numbers: readonly (number | undefined)[]): number | null =>
    numbers.some(number => number !== undefined)
      ? numbers.reduce<number>((total, number) => total + (number ?? 0), 0)
      : null
  return {
    model_group: name,
    providers: [...new Set(deployments.map(({ target }) => target.vendor.id))],
    tpm: sum(deployments.map(({ tpm }) => tpm)),
    rpm: sum(deployments.map(({ rpm }) => rpm)),
    ...(first === undefined ? {} : prices(first)),
  }
}

function credentialRoutes(gateway: Gateway, management: Management): Route[] {
  const credentials = new Credentials(management, management.cipher)
  const common = { tag: 'credentials', permission: 'admin' } as const
  const credential = z.looseObject({ credential_name: z.string(), credential_info: record })
  type Credential = z.input<typeof credential>
  const done = z.object({ success: z.boolean(), message: z.string() })
  const byName = z.object({ name: idText })
  return [
    apiRoute({
      ...common,
      method: 'POST',
      paths: ['/credentials'],
      summary: 'Store a vendor credential, encrypted',
      body: z.object({ credential_name: idText, credential_values: record, credential_info: record.nullish() }),
      response: done,
      handle: async ({ body, ...caller }) => {
        await credentials.create(caller, body.credential_name, body.credential_values, body.credential_info ?? {})
        return { success: true, message: 'Credential created successfully' }
      },
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/credentials'],
      summary: 'Credentials; their values are never shown',
      response: z.object({ success: z.boolean(), credentials: z.array(credential) }),
      handle: async () => ({ success: true, credentials: (await credentials.list()) as Credential[] }),
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/credentials/by_name/:name'],
      summary: 'A credential without its values',
      params: byName,
      response: credential,
      handle: ({ params }) => credentials.info(params.name) as Promise<Credential>,
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/credentials/by_model/:id'],
      summary: 'Which credential values a deployment has of its own; they are never shown',
      params: z.object({ id: idText }),
      response: credential,
      handle: ({ params }) => {
        const deployment = gateway.snapshot.deployments.find(({ id }) => id === params.id)
        if (deployment === undefined) {
          throw new GatewayError('not_found', `There is no deployment '${params.id}'.`)
        }
        const { litellm_params: own } = deploymentView(gateway, deployment)
        const hidden = Object.entries(own).filter(([, value]) => value === '[redacted]')
        return {
          credential_name: `${deployment.group}-credential`,
          credential_values: Object.fromEntries(hidden),
          credential_info: {},
        }
      },
    }),
    apiRoute({
      ...common,
      method: 'PATCH',
      paths: ['/credentials/:name'],
      summary: 'Change values of a credential',
      params: byName,
      body: z.object({ credential_values: record.nullish(), credential_info: record.nullish() }),
      response: done,
      handle: async ({ params, body, ...caller }) => {
        await credentials.update(
          caller,
          params.name,
          body.credential_values ?? undefined,
          body.credential_info ?? undefined,
        )
        return { success: true, message: 'Credential updated successfully' }
      },
    }),
    apiRoute({
      ...common,
      method: 'DELETE',
      paths: ['/credentials/:name'],
      summary: 'Delete a credential',
      params: byName,
      response: done,
      handle: async ({ params, ...caller }) => {
        await credentials.delete(caller, params.name)
        return { success: true, message: 'Credential deleted successfully' }
      },
    }),
    ...[false, true].map(dryRun =>
      apiRoute({
        ...common,
        method: 'POST',
        writes: !dryRun,
        paths: [dryRun ? '/credentials/migrate-encryption/check' : '/credentials/migrate-encryption'],
        summary: dryRun ? 'How much an older salt key still holds' : 'Encrypt everything with the current salt key',
        response: z.object({ credentials: z.number(), models: z.number() }),
        handle: ({ ...caller }) => credentials.reencrypt(caller, dryRun),
      }),
    ),
  ]
}
