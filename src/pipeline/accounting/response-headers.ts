import type { IncomingHttpHeaders } from 'node:http'
import { addLimitHeaders } from '../../governance/limits/limit-headers.ts'
import { formatNanoDollars } from '../../platform/money.ts'
import { version } from '../../platform/version.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Reservation } from '../reservation/reservation.ts'

/** Upstream headers repeated to the caller as `llm_provider-<name>`. */
const repeated = new Set(['x-request-id', 'request-id', 'openai-processing-ms', 'openai-version', 'retry-after'])
const isRateLimit = (name: string): boolean =>
  name.startsWith('x-ratelimit-') || name.startsWith('anthropic-ratelimit-')

const perDeployment = new WeakMap<Deployment, readonly string[]>()

/** Headers that are the same for every call a deployment answers: made once. */
function deploymentHeaders(deployment: Deployment): readonly string[] {
  let pairs = perDeployment.get(deployment)
  if (pairs === undefined) {
    const { target } = deployment
    pairs = [
      'x-litellm-version',
      version,
      'x-litellm-model-id',
      headerValue(deployment.id),
      'x-litellm-model-group',
      headerValue(deployment.group),
      'x-litellm-model-name',
      headerValue(`${target.vendor.id}/${target.model}`),
      'x-litellm-model-api-base',
      headerValue(target.origin + target.basePath),
      'x-routeiq-model',
      headerValue(`${target.vendor.id}/${target.model}`),
    ]
    perDeployment.set(deployment, pairs)
  }
  return pairs
}

/** Response headers as a flat list of names and values, ready for `writeHead` and `sendBody`. */
export function responseHeaders(
  call: Call,
  contentType: string,
  upstream: IncomingHttpHeaders | undefined,
  costNano: number | undefined,
): string[] {
  const headers: string[] = ['content-type', contentType, 'x-litellm-call-id', call.id, call.door.idHeader, call.id]
  const { deployment } = call
  if (deployment !== undefined) headers.push(...deploymentHeaders(deployment))
  const duration = performance.now() - call.startedAt
  headers.push(
    'x-litellm-attempted-retries',
    String(call.retries),
    'x-litellm-attempted-fallbacks',
    String(call.fallbacks),
    'x-litellm-response-duration-ms',
    duration.toFixed(3),
    'x-litellm-overhead-duration-ms',
    Math.max(0, duration - call.upstreamTime).toFixed(3),
    'x-routeiq-attempts',
    String(call.hops.length),
    'x-routeiq-config-version',
    call.snapshot.label,
  )
  const plan = call.plans[call.plans.length - 1]
  if (plan !== undefined) {
    headers.push('x-routeiq-strategy', plan.strategy, 'x-routeiq-reason', headerValue(plan.reason))
  }
  if (costNano !== undefined) {
    if (costNano >= 0) headers.push('x-litellm-response-cost', formatNanoDollars(costNano))
    else headers.push('x-routeiq-cost', 'unpriced')
  }
  if (call.droppedParams.length > 0) headers.push('x-routeiq-dropped-params', headerValue(call.droppedParams.join(',')))
  const own = call.reservation !== undefined && limitHeaders(headers, call, call.reservation, costNano)
  if (upstream !== undefined) {
    for (const name in upstream) {
      if (!isRateLimit(name) && !repeated.has(name)) continue
      const value = upstream[name]
      if (typeof value !== 'string') continue
      headers.push(`llm_provider-${name}`, headerValue(value))
      // The vendor's limits are told where the gateway has none of its own to tell.
      if (!own && name.startsWith('x-ratelimit-')) headers.push(name, headerValue(value))
    }
  }
  return headers
}

/** What is left of every limit. @returns whether `x-ratelimit-*` was written */
function limitHeaders(
  headers: string[],
  { usage, identity, epoch }: Call,
  reservation: Reservation,
  cost: number | undefined,
): boolean {
  const actual =
    usage === undefined
      ? undefined
      : { inputTokens: usage.input, outputTokens: usage.output, cost: Math.max(0, cost ?? 0) }
  return addLimitHeaders(headers, reservation, identity, actual, epoch)
}

/** Header values are Latin-1 on the wire; anything else is percent-encoded, and control characters go. */
export function headerValue(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length <= 1024 ? text : text.slice(0, 1024)
  return text
    .slice(0, 300)
    .replace(/[^\x20-\x7e]/gu, character => (character < ' ' || character === '\x7f' ? ' ' : safeEncode(character)))
}

function safeEncode(character: string): string {
  try {
    return encodeURIComponent(character)
  } catch {
    return '?'
  }
}
