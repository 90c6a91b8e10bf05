import type { IncomingHttpHeaders } from 'node:http'
import { limitLines, tellsPlainLimits } from '../../governance/limits/limit-headers.ts'
import type { RoutingDecision } from '../../learning/decision.ts'
import { toThousandths, toThreeDigits } from '../../platform/decimal.ts'
import { formatNanoDollars } from '../../platform/money.ts'
import { version } from '../../platform/version.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Reservation } from '../reservation/reservation.ts'

/** Upstream headers repeated to the caller as `llm_provider-<name>`. */
const repeated = new Set(['x-request-id', 'request-id', 'openai-processing-ms', 'openai-version', 'retry-after'])
const isRateLimit = (name: string): boolean =>
  name.startsWith('x-ratelimit-') || name.startsWith('anthropic-ratelimit-')

const perDeployment = new WeakMap<Deployment, string>()

/** Lines that are the same for every call a deployment answers: made once. */
function deploymentLines(deployment: Deployment): string {
  let lines = perDeployment.get(deployment)
  if (lines === undefined) {
    const { target } = deployment
    const model = `${target.vendor.id}/${target.model}`
    lines =
      headerLine('x-litellm-version', version) +
      headerLine('x-litellm-model-id', deployment.id) +
      headerLine('x-litellm-model-group', deployment.group) +
      headerLine('x-litellm-model-name', model) +
      headerLine('x-litellm-model-api-base', target.origin + target.basePath) +
      headerLine('x-routeiq-model', model)
    perDeployment.set(deployment, lines)
  }
  return lines
}

/** What the calls a deployment answers mostly have in common. */
interface Usual {
  readonly contentType: string
  readonly retries: number
  readonly fallbacks: number
  readonly attempts: number
  readonly config: string
  readonly strategy: string | undefined
  readonly reason: string | undefined
}

const usual = new WeakMap<Deployment, Usual & { readonly lines: string }>()

/** Everything that is not of this call alone; as it was made for the call before where that was the same. */
function usualLines({ deployment, retries, fallbacks, hops, snapshot, plans }: Call, contentType: string): string {
  const plan = plans[plans.length - 1]
  // The reason of a learned decision is its own.
  const reason = plan?.decision === undefined ? plan?.reason : undefined
  const known = deployment === undefined ? undefined : usual.get(deployment)
  if (
    known !== undefined &&
    known.contentType === contentType &&
    known.retries === retries &&
    known.fallbacks === fallbacks &&
    known.attempts === hops.length &&
    known.config === snapshot.label &&
    known.strategy === plan?.strategy &&
    known.reason === reason
  ) {
    return known.lines
  }
  const lines =
    `content-type: ${contentType}\r\n${deployment === undefined ? '' : deploymentLines(deployment)}` +
    `x-litellm-attempted-retries: ${retries}\r\nx-litellm-attempted-fallbacks: ${fallbacks}\r\n` +
    `x-routeiq-attempts: ${hops.length}\r\nx-routeiq-config-version: ${snapshot.label}\r\n` +
    (plan === undefined ? '' : `x-routeiq-strategy: ${plan.strategy}\r\n`) +
    (reason === undefined ? '' : headerLine('x-routeiq-reason', reason))
  if (deployment !== undefined) {
    usual.set(deployment, {
      contentType,
      retries,
      fallbacks,
      attempts: hops.length,
      config: snapshot.label,
      strategy: plan?.strategy,
      reason,
      lines,
    })
  }
  return lines
}

/**
 * The head of a response as text: lines of name and value, each with its end, ready for `sendBody` and `headerPairs`.
 * What others chose the text of goes through `headerLine`; the rest is our own words and numbers.
 */
export function responseHead(
  call: Call,
  contentType: string,
  upstream: IncomingHttpHeaders | undefined,
  costNano: number | undefined,
): string {
  const { id } = call
  const duration = performance.now() - call.startedAt
  const overhead = Math.max(0, duration - call.upstreamTime)
  let head =
    `${usualLines(call, contentType)}x-litellm-call-id: ${id}\r\n${call.door.idHeader}: ${id}\r\n` +
    `x-litellm-response-duration-ms: ${toThousandths(duration)}\r\nx-litellm-overhead-duration-ms: ${toThousandths(overhead)}\r\n`
  const plan = call.plans[call.plans.length - 1]
  if (plan?.decision !== undefined) head += decisionLines(plan.decision, plan.answering)
  if (costNano !== undefined) {
    if (costNano >= 0) head += `x-litellm-response-cost: ${formatNanoDollars(costNano)}\r\n`
    else if (plan?.decision === undefined) head += 'x-routeiq-cost: unpriced\r\n'
  }
  if (call.droppedParams.length > 0) head += headerLine('x-routeiq-dropped-params', call.droppedParams.join(','))
  if (call.reservation !== undefined) head += ownLimits(call, call.reservation, costNano)
  return upstream === undefined ? head : head + repeatedLines(call, upstream)
}

let lastLambda = Number.NaN
let lastLambdaText = ''

/** Calls of a route mostly share it. */
function lambdaText(lambda: number): string {
  if (lambda !== lastLambda) {
    lastLambda = lambda
    lastLambdaText = lambda.toPrecision(3)
  }
  return lastLambdaText
}

/** Who decided, by what, and what was expected of the model that answers; the rest is told by the explain endpoint. */
function decisionLines(decision: RoutingDecision, answering: string | undefined): string {
  const { artifact, strategy, candidates, chosen, lambda, because } = decision
  const router = artifact === undefined ? strategy : `${strategy}@${artifact}`
  const lines = `${headerLine('x-routeiq-reason', because)}${headerLine('x-routeiq-router', router)}x-routeiq-lambda: ${lambdaText(lambda)}\r\n`
  const model = answering ?? chosen
  const expected = candidates.find(candidate => candidate.model === model)
  if (expected === undefined) return lines
  const cost = Number.isNaN(expected.cost) ? 'unpriced' : toThreeDigits(expected.cost)
  return `${lines}x-routeiq-quality: ${toThousandths(expected.quality)}\r\nx-routeiq-cost: ${cost}\r\n`
}

/** What is left of every limit. */
function ownLimits({ usage, identity, epoch }: Call, reservation: Reservation, cost: number | undefined): string {
  const actual =
    usage === undefined
      ? undefined
      : { inputTokens: usage.input, outputTokens: usage.output, cost: Math.max(0, cost ?? 0) }
  return limitLines(reservation, identity, actual, epoch)
}

/** What the vendor says of the call and of its own limits. */
function repeatedLines({ reservation, identity }: Call, upstream: IncomingHttpHeaders): string {
  let lines = ''
  for (const name in upstream) {
    if (!isRateLimit(name) && !repeated.has(name)) continue
    const value = upstream[name]
    if (typeof value !== 'string') continue
    lines += headerLine(`llm_provider-${name}`, value)
    // The vendor's limits are told where the gateway has none of its own to tell.
    const plain = name.startsWith('x-ratelimit-')
    if (plain && !(reservation !== undefined && tellsPlainLimits(reservation, identity)))
      lines += headerLine(name, value)
  }
  return lines
}

/** A line whose value somebody else chose. */
export const headerLine = (name: string, value: string): string => `${name}: ${headerValue(value)}\r\n`

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
