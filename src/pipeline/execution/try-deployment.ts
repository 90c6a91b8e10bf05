import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import { responseHead } from '../accounting/response-headers.ts'
import { headerPairs } from '../accounting/send-body.ts'
import type { Call, Hop } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Gateway } from '../gateway.ts'
import { inspectAnswer } from '../routing/learned/inspect-answer.ts'
import type { RouteAttempt } from '../routing/router.ts'
import { asFailure } from './as-failure.ts'
import { Attempt, type AttemptLimits, type AttemptResult } from './attempt.ts'
import { hasContentPolicyFallback } from './call-fallbacks.ts'
import { type Leg, legFor } from './leg.ts'
import { withRenewedCredential } from './renew-credential.ts'

/**
 * One try at one deployment, told to the live statistics, the cooldown, the metrics and the call's record before anybody
 * who waits for the result goes on.
 */
export function tryDeployment(
  gateway: Gateway,
  call: Call,
  route: RouteAttempt,
  request: NativeRequest,
  delay: number,
): AttemptResult | Promise<AttemptResult> {
  const { deployment } = route
  const started = performance.now()
  const hop: Hop = {
    group: deployment.group,
    deployment: deployment.id,
    provider: deployment.target.vendor.id,
    model: deployment.target.model,
    startedAt: started - call.startedAt,
    duration: 0,
    status: 0,
    error: undefined,
    message: undefined,
    delay,
  }
  if (call.hops.length === 0) call.hops = [hop]
  else call.hops.push(hop)
  call.deployment = deployment
  const ended: Ended = result => {
    const duration = performance.now() - started
    hop.duration = duration
    call.upstreamTime += duration
    note(gateway, call, route, hop, result, duration)
    return filtered(call, deployment, result, hop)
  }
  let here: AttemptResult
  try {
    const own = answerHere(call, deployment, request)
    if (own === undefined) return called(gateway, call, deployment, request, started, ended)
    here = own
  } catch (error) {
    here = unsent(error)
  }
  // Nobody was called: neither good nor bad news about the deployment.
  route.aborted()
  return ended(here)
}

type Ended = (result: AttemptResult) => AttemptResult

/** @throws GatewayError when the request cannot be put to this deployment */
function called(
  gateway: Gateway,
  call: Call,
  deployment: Deployment,
  request: NativeRequest,
  started: number,
  ended: Ended,
): Promise<AttemptResult> {
  const leg = legFor(call, deployment, request)
  call.droppedParams = leg.droppedParams
  if (deployment.credential === undefined) return send(gateway, call, deployment, leg, started, ended)
  return sendRenewing(gateway, call, deployment, leg, request, started).then(ended)
}

/**
 * Translation refused the request for this deployment.
 * @throws anything else again
 */
function unsent(error: unknown): AttemptResult {
  if (!(error instanceof GatewayError)) throw error
  return { kind: 'failed', failure: asFailure(error), unsent: true }
}

/** A rotated key costs one more try, which is no failure of the deployment. */
async function sendRenewing(
  gateway: Gateway,
  call: Call,
  deployment: Deployment,
  leg: Leg,
  request: NativeRequest,
  started: number,
): Promise<AttemptResult> {
  const { target } = deployment
  const result = await send(gateway, call, deployment, leg, started)
  if (result.kind !== 'failed') return result
  try {
    const renewed = await withRenewedCredential(deployment, target, result.failure)
    if (renewed === undefined || call.closed) return result
    return await send(gateway, call, renewed, legFor(call, renewed, request), started)
  } catch (error) {
    return unsent(error)
  }
}

/** An answer that needs no upstream, where the deployment's vendor does not offer the operation. */
function answerHere(call: Call, deployment: Deployment, request: NativeRequest): AttemptResult | undefined {
  const { door } = call
  if (door.answerHere === undefined) return undefined
  const { wire, target } = deployment
  if (wire.dialect === door.dialect && target.vendor.operations.includes(door.operation)) return undefined
  const text = door.answerHere(request)
  return { kind: 'answer', answer: { text, usage: undefined, contentFiltered: false }, body: text, headers: {} }
}

/** Tells the live statistics, the cooldown and the metrics how the attempt went. */
function note(
  gateway: Gateway,
  call: Call,
  route: RouteAttempt,
  hop: Hop,
  result: AttemptResult,
  duration: number,
): void {
  const failure = result.kind === 'failed' || result.kind === 'streamed' ? result.failure : undefined
  if (failure !== undefined) {
    hop.status = failure.status
    hop.error = failure.kind
    hop.message = failure.message
    // A deadline the caller set itself says nothing about the deployment.
    if (failure.kind === 'timeout' && (call.options.timeout ?? call.options.streamTimeout) !== undefined)
      route.aborted()
    else route.failed(failure)
    gateway.attemptFailed(call, route.deployment, failure)
    return
  }
  if (result.kind === 'aborted') {
    hop.status = 499
    hop.error = 'client_disconnected'
    route.aborted()
    return
  }
  hop.status = 200
  if (result.kind === 'answer' && isInspected(gateway, call)) {
    call.inspected = inspectAnswer(String(result.body), call.request.json)
  }
  const usage = result.kind === 'answer' ? result.answer.usage : call.usage
  call.usage = usage
  const ttft = result.kind === 'streamed' ? result.ttft : undefined
  call.ttft = ttft
  route.succeeded({
    latency: duration,
    ttft,
    stream: call.stream,
    inputTokens: usage?.input ?? 0,
    outputTokens: usage?.output ?? 0,
  })
}

/** Somebody wants to know how good the answer looks: a cascade, the decision log, what learns from it. */
function isInspected({ learned }: Gateway, { routed }: Call): boolean {
  if (routed === undefined) return false
  const { ranking } = routed
  return ranking.cascade !== undefined || ranking.decision.recorded === true || learned?.log !== undefined
}

/** A withheld answer counts as a failure only where a content-policy fallback is configured to take over. */
function filtered(call: Call, deployment: Deployment, result: AttemptResult, hop: Hop): AttemptResult {
  if (result.kind !== 'answer' || !result.answer.contentFiltered) return result
  if (!hasContentPolicyFallback(call, deployment)) return result
  const failure = new UpstreamFailure(
    'content_policy_violation',
    `${deployment.target.vendor.name}: the answer was withheld by the vendor's safety filter.`,
  )
  hop.error = failure.kind
  hop.message = failure.message
  return { kind: 'failed', failure }
}

function send(
  gateway: Gateway,
  call: Call,
  deployment: Deployment,
  leg: Leg,
  started: number,
  ended?: Ended,
): Promise<AttemptResult> {
  const commit = call.stream ? (upstream: IncomingHttpHeaders) => commitHead(call, upstream, started) : neverCommitted
  const attempt = new Attempt(call, deployment, leg, limitsFor(call, deployment), commit, ended)
  return attempt.run(gateway.egress.dispatcher(deployment.target.origin))
}

const neverCommitted = (): void => {}

function commitHead(call: Call, upstream: IncomingHttpHeaders, started: number): void {
  // The hop is still open: count its time so far, so that the overhead header shows only our own.
  const open = performance.now() - started
  call.upstreamTime += open
  const head = responseHead(call, 'text/event-stream; charset=utf-8', upstream, undefined)
  call.upstreamTime -= open
  call.status = 200
  call.response.writeHead(200, headerPairs(`${head}cache-control: no-cache\r\nx-accel-buffering: no\r\n`))
}

function limitsFor(call: Call, deployment: Deployment): AttemptLimits {
  const timeout = call.options.timeout ?? deployment.timeout
  const { maxResponseBytes, streamCommitTimeout } = call.snapshot.limits
  if (!call.stream) {
    return { firstContent: timeout, idle: timeout, commit: streamCommitTimeout, maxBodyBytes: maxResponseBytes }
  }
  const first = call.options.streamTimeout ?? call.options.timeout ?? deployment.streamTimeout ?? deployment.timeout
  return {
    firstContent: deployment.ttftTimeout === undefined ? first : Math.min(first, deployment.ttftTimeout),
    idle: deployment.streamIdleTimeout ?? timeout,
    commit: streamCommitTimeout,
    maxBodyBytes: maxResponseBytes,
  }
}
