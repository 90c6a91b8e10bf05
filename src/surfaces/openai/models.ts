import type { FastifyRequest } from 'fastify'
import type { Principal } from '../../governance/authentication/principal.ts'
import type { Gateway } from '../../pipeline/gateway.ts'
import { aliased, mayUse } from '../../pipeline/identity/authorize-model.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'

/** OpenAI and LiteLLM both date their lists with a constant: the catalogue has no creation times. */
const created = 1677610602

interface ModelEntry {
  readonly id: string
  readonly object: 'model'
  readonly created: number
  readonly owned_by: string
}

function openaiModel(gateway: Gateway, name: string): ModelEntry {
  const group = gateway.snapshot.router.resolve(name)
  return { id: name, object: 'model', created, owned_by: group?.deployments[0]?.target.vendor.id ?? 'routeiq' }
}

/** The same list in Anthropic's shape, for clients that announce its dialect. */
function anthropicModel(name: string): object {
  return { type: 'model', id: name, display_name: name, created_at: new Date(created * 1000).toISOString() }
}

const speaksAnthropic = (request: FastifyRequest): boolean => request.headers['anthropic-version'] !== undefined

/** What the caller may use, in config order. */
export function visibleModels({ snapshot }: Gateway, principal: Principal | undefined): readonly string[] {
  const names = snapshot.router.index.publicNames()
  if (principal === undefined) return names
  const own = Object.keys(principal.aliases)
  return [...new Set([...names, ...own])].filter(name => mayUse(snapshot, principal, aliased(principal, name)))
}

export function listModels(gateway: Gateway, request: FastifyRequest): object {
  const names = visibleModels(gateway, request.identity)
  if (speaksAnthropic(request)) {
    return {
      data: names.map(anthropicModel),
      has_more: false,
      first_id: names[0] ?? null,
      last_id: names[names.length - 1] ?? null,
    }
  }
  return { object: 'list', data: names.map(name => openaiModel(gateway, name)) }
}

export function showModel(gateway: Gateway, request: FastifyRequest): object {
  const name = (request.params as { '*': string })['*']
  const { snapshot } = gateway
  const known = snapshot.router.resolve(name) !== undefined
  // A model that is not the caller's does not exist for it.
  if (!known || (request.identity !== undefined && !mayUse(snapshot, request.identity, name))) {
    throw new GatewayError(
      'model_not_found',
      `The model '${name.slice(0, 200)}' does not exist here. GET /v1/models lists the models you can use.`,
      { param: 'model' },
    )
  }
  return speaksAnthropic(request) ? anthropicModel(name) : openaiModel(gateway, name)
}
