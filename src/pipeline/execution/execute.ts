import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import { responseHeaders } from '../accounting/response-headers.ts'
import type { Call, Hop } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import { callFeatures } from '../features.ts'
import type { Gateway } from '../gateway.ts'
import { type FallbackTarget, fallbackChain } from '../routing/fallbacks.ts'
import { retryDecision } from '../routing/retry.ts'
import { RouteAttempt } from '../routing/router.ts'
import type { CallFeatures, ModelGroup } from '../routing/types.ts'
import { Attempt, type AttemptLimits, type AttemptResult } from './attempt.ts'
import { type Leg, legFor } from './leg.ts'

/** How a call ended: with an answer still to be sent, with a stream already sent, or because the caller left. */
export type Outcome = Exclude<AttemptResult, { kind: 'failed' }>

interface Stop {
  readonly group: ModelGroup
  readonly request: NativeRequest
}

/**
 * Walks the plan: tries deployments of the asked group with retries, then each fallback group in turn.
 * @throws GatewayError the last failure, when nobody answered.
 */
export async function execute(gateway: Gateway, call: Call): Promise<Outcome> {
  const { router, settings } = call.snapshot
  const group = router.resolve(call.model)
  if (group === undefined) throw unknownModel(call)
  let stop: Stop | undefined = { group, request: call.request }
  let chain: FallbackTarget[] | undefined
  let last: GatewayError | undefined
  while (stop !== undefined) {
    const result: Outcome | GatewayError = await tryGroup(gateway, call, stop)
    if (!(result instanceof GatewayError)) {
      if (call.fallbacks > 0) gateway.fellBack(group, stop.group.name, true)
      return result
    }
    last = result
    chain ??= fallbackChain({
      group: group.name,
      pattern: group.pattern,
      failure: asFailure(last),
      settings,
      clientFallbacks: call.options.fallbacks,
      disable: call.options.disableFallbacks,
    })
    stop = nextStop(call, chain)
    if (stop !== undefined) call.fallbacks++
  }
  const failure = last ?? unknownModel(call)
  if (call.fallbacks > 0) gateway.fellBack(group, call.hops[call.hops.length - 1]?.group ?? 'unknown', false)
  throw failure
}

function unknownModel(call: Call): GatewayError {
  return new GatewayError(
    'model_not_found',
    `The model '${call.model.slice(0, 200)}' does not exist here. GET /v1/models lists the models you can use.`,
    { param: 'model' },
  )
}

/** The next fallback that names a known model, with its overrides laid over the caller's request. */
function nextStop(call: Call, chain: FallbackTarget[]): Stop | undefined {
  for (let target = chain.shift(); target !== undefined; target = chain.shift()) {
    const group = call.snapshot.router.resolve(target.model)
    if (group === undefined) continue
    return {
      group,
      request: target.overrides === undefined ? call.request : overridden(call.request, target.overrides),
    }
  }
  return undefined
}

function overridden(request: NativeRequest, overrides: Readonly<Record<string, unknown>>): NativeRequest {
  const json = { ...request.json, ...overrides }
  return { ...request, json, text: JSON.stringify(json) }
}

/** Tries one group: picks, calls, retries. @returns the failure when the group could not answer. */
async function tryGroup(gateway: Gateway, call: Call, stop: Stop): Promise<Outcome | GatewayError> {
  const { group } = stop
  const { router, settings } = call.snapshot
  const features = callFeatures(call, stop.request)
  const failed = new Set<string>()
  let delay = 0
  for (let retries = 0; ; retries++) {
    let route: RouteAttempt
    try {
      route = choose(call, group, features, failed)
    } catch (error) {
      if (error instanceof GatewayError) return error
      throw error
    }
    const result = await tryDeployment(gateway, call, route, stop.request, delay)
    if (result.kind !== 'failed') return result
    const { failure } = result
    const { deployment } = route
    failed.add(deployment.id)
    const decision = retryDecision({
      failure,
      attempt: retries,
      requested: call.options.numRetries,
      settings,
      deployment,
      group: group.pattern ?? group.name,
      hasAlternative: group.deployments.some(other => !failed.has(other.id) && router.available(other)),
      random: gateway.random,
    })
    if (!decision.retry) return failure
    delay = decision.delay
    if (call.closed || (delay > 0 && !(await pause(call, delay)))) return { kind: 'aborted' }
    call.retries++
    gateway.metrics.retried(group.pattern ?? group.name, failure.kind)
  }
}

/**
 * Routes and takes the first planned deployment that still accepts the call. Deployments that failed in this call are
 * left out as long as another is left.
 * @throws GatewayError when nobody is left.
 */
function choose(call: Call, group: ModelGroup, features: CallFeatures, failed: ReadonlySet<string>): RouteAttempt {
  const { router } = call.snapshot
  let refused: ReadonlySet<string> = failed
  for (;;) {
    let plan: ReturnType<typeof router.plan>
    try {
      plan = router.plan(group, features, refused)
    } catch (error) {
      if (refused.size === 0 || refused !== failed || !(error instanceof GatewayError)) throw error
      plan = router.plan(group, features)
    }
    for (const deployment of plan.ranked) {
      const route = router.start(group, deployment, features.promptTokensMin)
      if (!(route instanceof RouteAttempt)) continue
      call.plans.push({
        group: group.name,
        strategy: plan.strategy,
        reason: plan.why(),
        considered: plan.considered,
        chosen: deployment.id,
      })
      return route
    }
    // Every planned one was taken by other calls in this very tick: plan again without them, which names the reason.
    refused = new Set([...refused, ...plan.ranked.map(({ id }) => id)])
  }
}

async function tryDeployment(
  gateway: Gateway,
  call: Call,
  route: RouteAttempt,
  request: NativeRequest,
  delay: number,
): Promise<AttemptResult> {
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
  call.hops.push(hop)
  call.deployment = deployment
  let result: AttemptResult
  try {
    const here = answerHere(call, deployment, request)
    if (here !== undefined) {
      result = here
    } else {
      const leg = legFor(call, deployment, request)
      call.droppedParams = leg.droppedParams
      result = await send(gateway, call, deployment, leg, started)
    }
  } catch (error) {
    // Translation refused the request for this deployment: nothing was sent, and the deployment is not to blame.
    route.aborted()
    if (!(error instanceof GatewayError)) throw error
    result = { kind: 'failed', failure: asFailure(error) }
  }
  const duration = performance.now() - started
  hop.duration = duration
  call.upstreamTime += duration
  note(gateway, call, route, hop, result, duration)
  return filtered(call, deployment, result, hop)
}

/** An answer that needs no upstream, where the deployment's vendor does not offer the operation. */
function answerHere(call: Call, deployment: Deployment, request: NativeRequest): AttemptResult | undefined {
  const { door } = call
  if (door.answerHere === undefined) return undefined
  const { wire, target } = deployment
  if (wire.dialect === door.dialect && target.vendor.operations.includes(door.operation)) return undefined
  const answer = { text: door.answerHere(request), usage: undefined, contentFiltered: false }
  return { kind: 'answer', answer, headers: {}, ttft: undefined }
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

/** A withheld answer counts as a failure only where a content-policy fallback is configured to take over. */
function filtered(call: Call, deployment: Deployment, result: AttemptResult, hop: Hop): AttemptResult {
  if (result.kind !== 'answer' || !result.answer.contentFiltered) return result
  if (!call.snapshot.settings.contentPolicyFallbacks.has(deployment.group) || call.options.disableFallbacks)
    return result
  const failure = new UpstreamFailure(
    'content_policy_violation',
    `${deployment.target.vendor.name}: the answer was withheld by the vendor's safety filter.`,
  )
  hop.error = failure.kind
  hop.message = failure.message
  return { kind: 'failed', failure }
}

function send(gateway: Gateway, call: Call, deployment: Deployment, leg: Leg, started: number): Promise<AttemptResult> {
  const attempt = new Attempt(call, deployment, leg, limitsFor(call, deployment), upstream =>
    commitHead(call, upstream, started),
  )
  return attempt.run(gateway.egress.dispatcher(deployment.target.origin))
}

function commitHead(call: Call, upstream: IncomingHttpHeaders, started: number): void {
  // The hop is still open: count its time so far, so that the overhead header shows only our own.
  const open = performance.now() - started
  call.upstreamTime += open
  const headers = responseHeaders(call, 'text/event-stream; charset=utf-8', upstream, undefined)
  call.upstreamTime -= open
  headers.push('cache-control', 'no-cache', 'x-accel-buffering', 'no')
  call.status = 200
  call.response.writeHead(200, headers)
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

/** Waits unless the caller leaves first. @returns false when the caller left. */
function pause(call: Call, milliseconds: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(() => {
      call.onClose(undefined)
      resolve(true)
    }, milliseconds)
    call.onClose(() => {
      clearTimeout(timer)
      resolve(false)
    })
  })
}

/** A failure that never reached a deployment, in the terms of retry policies and fallbacks. */
function asFailure(error: GatewayError): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error
  const kind =
    error.code === 'context_length_exceeded'
      ? 'context_window_exceeded'
      : error.code === 'no_deployment_available'
        ? 'rate_limit'
        : 'bad_request'
  return new UpstreamFailure(kind, error.message, {
    code: error.code,
    param: error.param,
    retryAfter: error.retryAfter,
    status: error.status,
    cause: error,
  })
}
