import { GatewayError } from '../../platform/errors/gateway-error.ts'

/** Where a call may go when its group could not answer. */
export interface FallbackTarget {
  /** A group, an alias, a deployment id, or a name that a wildcard resolves. */
  readonly model: string
  /** Request fields to lay over the caller's (`messages`, `temperature`, …); undefined when there are none. */
  readonly overrides: Readonly<Record<string, unknown>> | undefined
}

/** Group (or `*`) → targets in the order they are tried. */
export type FallbackMap = ReadonlyMap<string, readonly FallbackTarget[]>

/** `[{group: [target, …]}, …]` → map. A bare target instead of a map applies to every group, as in a request body. */
export function configFallbacks(list: readonly unknown[] | null | undefined): FallbackMap {
  return toMap(list ?? [], configFallbackTarget)
}

/** A name, or a map with `model` and the request fields to override. */
export function configFallbackTarget(entry: unknown): FallbackTarget {
  const target = asTarget(entry)
  if (target === undefined) {
    throw new GatewayError('config_invalid', 'A fallback must be a model name or a map with `model`.', {
      param: 'fallbacks',
    })
  }
  return target
}

/** Fields that choose where a call connects and with which credential: the operator's alone, not the caller's. */
const operatorsFields = [
  'api_key',
  'api_base',
  'base_url',
  'api_version',
  'custom_llm_provider',
  'organization',
  'extra_headers',
]

/**
 * The three forms a caller may send: `["b"]`, `[{model: "b", temperature: 0}]`, `[{"a": ["b"]}]`.
 * @throws GatewayError `invalid_request`
 */
export function parseClientFallbacks(list: readonly unknown[]): FallbackMap {
  return toMap(list, (entry, index) => {
    const param = `fallbacks[${index}]`
    const target = asTarget(entry)
    if (target === undefined) {
      throw new GatewayError('invalid_request', `'${param}' must be a model name, or an object with 'model'.`, {
        param,
      })
    }
    const refused = operatorsFields.find(
      name => target.overrides !== undefined && Object.hasOwn(target.overrides, name),
    )
    if (refused !== undefined) {
      throw new GatewayError('invalid_request', `'${param}' may not set '${refused}': configure a model for it.`, {
        param,
      })
    }
    return target
  })
}

function toMap(list: readonly unknown[], read: (entry: unknown, index: number) => FallbackTarget): FallbackMap {
  const map = new Map<string, FallbackTarget[]>()
  const add = (group: string, target: FallbackTarget) => {
    const targets = map.get(group)
    if (targets === undefined) map.set(group, [target])
    else targets.push(target)
  }
  list.forEach((entry, index) => {
    if (isRecord(entry) && !('model' in entry && typeof entry['model'] === 'string')) {
      const lists = Object.entries(entry)
      if (lists.length > 0 && lists.every(([, targets]) => Array.isArray(targets))) {
        for (const [group, targets] of lists) {
          for (const target of targets as unknown[]) add(group, read(target, index))
        }
        return
      }
    }
    add('*', read(entry, index))
  })
  return map
}

function asTarget(entry: unknown): FallbackTarget | undefined {
  if (typeof entry === 'string') return entry === '' ? undefined : { model: entry, overrides: undefined }
  if (!isRecord(entry)) return undefined
  const { model, ...overrides } = entry
  if (typeof model !== 'string' || model === '') return undefined
  return { model, overrides: Object.keys(overrides).length === 0 ? undefined : overrides }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
