import type { Target } from '../wire.ts'

/** `/v1beta`, `/v1`, `/v1alpha`, also behind a proxy's own prefix. */
const version = /\/v\d+(?:alpha\d*|beta\d*)?$/

/** What is fixed per deployment: worked out once, kept as long as the deployment lives. */
export interface Address {
  /** `…/v1beta/models/gemini-2.5-pro`: a verb follows behind a colon. */
  readonly path: string
  /** `models/gemini-2.5-pro`, the resource name. */
  readonly resource: string
  readonly headers: Readonly<Record<string, string>>
}

const known = new WeakMap<Target, Address>()

export function addressOf(target: Target): Address {
  let address = known.get(target)
  if (address === undefined) {
    address = make(target)
    known.set(target, address)
  }
  return address
}

function make(target: Target): Address {
  const base = version.test(target.basePath) ? target.basePath : `${target.basePath}/v1beta`
  const named = target.model.startsWith('models/') || target.model.startsWith('tunedModels/')
  const resource = named ? target.model : `models/${target.model}`
  const slash = resource.indexOf('/')
  const path = `${base}/${resource.slice(0, slash)}/${encodeURIComponent(resource.slice(slash + 1))}`
  return { path, resource, headers: headersOf(target) }
}

/** The key travels in a header, never in the query: queries end up in logs. */
function headersOf(target: Target): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (target.bearerToken !== undefined) headers['authorization'] = `Bearer ${target.bearerToken.reveal()}`
  else if (target.apiKey !== undefined) {
    if (target.vendor.auth === 'bearer') headers['authorization'] = `Bearer ${target.apiKey.reveal()}`
    else headers['x-goog-api-key'] = target.apiKey.reveal()
  }
  for (const [name, value] of Object.entries(target.extraHeaders)) headers[name.toLowerCase()] = value
  return headers
}
