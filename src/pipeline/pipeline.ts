import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Principal } from '../governance/authentication/principal.ts'
import type { GuardedRoute } from '../governance/authorization/permission.ts'
import { LimitExceeded } from '../governance/limits/refusal.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { isRequestId, newId } from '../platform/ids.ts'
import type { NativeRequest } from '../providers/wire.ts'
import { nestingDepth } from '../translate/json-depth.ts'
import { KeptAnswer, keptOut } from './accounting/kept-bodies.ts'
import { responseHead } from './accounting/response-headers.ts'
import { sendBody } from './accounting/send-body.ts'
import { settle } from './accounting/settle.ts'
import { refusedRecord } from './accounting/spend-record.ts'
import { Call } from './call.ts'
import { callOptions } from './call-options.ts'
import type { Door } from './door.ts'
import { closeIfUnread } from './execution/close-if-unread.ts'
import { fallBack, firstStop } from './execution/fall-back.ts'
import type { Outcome } from './execution/outcome.ts'
import { tryGroup } from './execution/try-group.ts'
import type { Gateway } from './gateway.ts'
import { attributionOf } from './identity/attribution.ts'
import { authorizeCall } from './identity/authorize-call.ts'
import { aliased } from './identity/authorize-model.ts'
import { reserve } from './reservation/reserve-call.ts'
import { noOverrides, routingOverrides } from './routing/learned/overrides.ts'

/** Levels of lists and objects in a request; far more than any schema has, far less than overflows a stack. */
const maxNesting = 500

/** A call at the door: authenticated, its body parsed. */
export interface Arrival {
  readonly door: Door
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly identity: Principal
  readonly route: GuardedRoute
  /** Where it comes from, trusted proxies taken into account. */
  readonly address: string
  readonly body: NativeRequest
  /** A model named in the path (`/openai/deployments/{model}/…`) wins over the body's. */
  readonly pathModel: string | undefined
  /** Monotonic milliseconds at which the request head was read. */
  readonly startedAt: number
}

/**
 * The life of a call, from an authenticated request to the last byte and the books:
 * admit → decode → authorize → reserve → route → execute → encode → settle → record.
 */
export async function runCall(gateway: Gateway, arrival: Arrival): Promise<void> {
  const { admission } = gateway
  const id = requestId(arrival.request)
  // admit: a bounded number of calls at once, a bounded queue behind it.
  if (!admission.tryEnter()) {
    try {
      await admission.enter(arrival.response)
    } catch (error) {
      refuse(gateway, arrival, id, asGatewayError(gateway, error, arrival))
      return
    }
  }
  let call: Call | undefined
  try {
    // decode: the model, the caller's own settings, and a snapshot that stays with the call. Then: may it use the model?
    call = decode(gateway, arrival, id)
    // reserve: every limit and budget of every scope, taken in one contact with shared state.
    const reserved = reserve(gateway, call)
    call.reservation = reserved instanceof Promise ? await reserved : reserved
    // route and execute: deployments, retries, fallbacks; a stream is sent from in there, but for its last piece.
    const stop = firstStop(call)
    const first = await tryGroup(gateway, call, stop)
    const outcome = first instanceof GatewayError ? await fallBack(gateway, call, stop, first) : first
    // encode, settle and record: the last byte leaves when the call is in the books.
    switch (outcome.kind) {
      case 'answer':
        answered(gateway, call, outcome)
        break
      case 'streamed': {
        const { response } = call
        call.error = outcome.failure?.kind
        if (outcome.tail !== undefined) call.kept?.add(outcome.tail)
        settle(gateway, call, () => response.end(outcome.tail))
        break
      }
      case 'aborted':
        call.status = 499
        call.error = 'client_disconnected'
        settle(gateway, call)
        break
    }
  } catch (error) {
    const failure = asGatewayError(gateway, error, arrival)
    if (call === undefined) refuse(gateway, arrival, id, failure)
    else failed(gateway, call, failure)
  } finally {
    admission.leave()
    if (gateway.draining) closeWhenSent(arrival)
  }
}

/** A complete answer goes out in one piece. */
function answered(gateway: Gateway, call: Call, outcome: Extract<Outcome, { kind: 'answer' }>): void {
  call.status = 200
  call.kept?.add(outcome.body)
  settle(gateway, call, cost => {
    const type = call.stream ? 'text/event-stream; charset=utf-8' : 'application/json'
    sendBody(call.response, 200, responseHead(call, type, outcome.headers, cost), outcome.body, outcome.oneByte)
    closeIfUnread(call.response, longestSilence(call))
  })
}

function failed(gateway: Gateway, call: Call, failure: GatewayError): void {
  call.status = failure.status
  call.error = failure.code
  settle(gateway, call, () => {
    if (call.response.headersSent || call.closed) return
    const head = responseHead(call, 'application/json', undefined, undefined) + failureLines(failure)
    sendBody(call.response, failure.status, head, call.door.errorBody(failure, call.id))
  })
}

/** When to come back, and which limit said no. */
function failureLines(failure: GatewayError): string {
  const lines = failure.retryAfter === undefined ? '' : `retry-after: ${Math.ceil(failure.retryAfter)}\r\n`
  return failure instanceof LimitExceeded ? lines + failure.lines : lines
}

/** While the process drains, a connection ends with its answer; kept alive, it would hold up the end. */
function closeWhenSent({ request, response }: Arrival): void {
  const { socket } = request
  if (response.writableFinished) socket.destroySoon()
  else response.once('finish', () => socket.destroySoon())
}

/** Milliseconds; the same bound that holds for the silence of an upstream. */
const longestSilence = ({ deployment, snapshot }: Call): number =>
  deployment?.streamIdleTimeout ?? deployment?.timeout ?? snapshot.settings.timeout

function decode(gateway: Gateway, arrival: Arrival, id: string): Call {
  const { snapshot } = gateway
  const { door, body, request } = arrival
  door.validate(body.json)
  const forced = door.operation === 'embeddings' ? snapshot.forcedModels.embeddings : snapshot.forcedModels.chat
  const model = forced ?? arrival.pathModel ?? body.json['model']
  if (typeof model !== 'string' || model === '') {
    throw new GatewayError('missing_field', "'model' is required: the name of a model this gateway serves.", {
      param: 'model',
    })
  }
  const named = aliased(arrival.identity, model)
  const options = callOptions(body.json, request.headers)
  const routing =
    snapshot.overridable === undefined
      ? noOverrides
      : routingOverrides(body.json, request.headers, snapshot.overridable)
  const attribution = attributionOf(body.json, request.headers, arrival.identity, snapshot.attribution)
  const { identity, route, address } = arrival
  const { headers } = request
  authorizeCall(gateway, { identity, route, address, body: body.json, headers, model, named, options, attribution })
  const epoch = gateway.clock.epoch()
  const ownId = request.headers['x-litellm-call-id'] === undefined
  const call = new Call({
    id,
    recordId: ownId ? id : newId(epoch),
    attribution,
    address: arrival.address,
    snapshot,
    door,
    identity: arrival.identity,
    request: body,
    model: named,
    // Neither vectors nor counts come in pieces, whatever the body says.
    stream: body.json['stream'] === true && door.operation !== 'embeddings' && door.operation !== 'count_tokens',
    options,
    routing,
    response: arrival.response,
    startedAt: arrival.startedAt,
    epoch,
  })
  if (snapshot.keptBodies !== undefined && !keptOut(body.json, headers)) call.kept = new KeptAnswer(snapshot.keptBodies)
  return call
}

/** A caller may bring its own id to find the call again; anything unusual is replaced. */
function requestId(request: IncomingMessage): string {
  const own = request.headers['x-litellm-call-id']
  return typeof own === 'string' && isRequestId(own) ? own : newId()
}

/** An error before there is a call: bad field, no place. It is booked like any other end. */
function refuse(gateway: Gateway, arrival: Arrival, id: string, failure: GatewayError): void {
  const { door, identity, address, response } = arrival
  const duration = performance.now() - arrival.startedAt
  const ownId = arrival.request.headers['x-litellm-call-id'] === undefined
  const asked = arrival.pathModel ?? arrival.body.json['model']
  const record = refusedRecord({
    id: ownId ? id : newId(),
    callId: ownId ? undefined : id,
    door,
    identity,
    address,
    model: typeof asked === 'string' ? asked.slice(0, 256) : '',
    status: failure.status,
    error: failure.code,
    startedAt: Math.floor(gateway.clock.epoch() - duration),
    duration,
  })
  gateway.ledger.append(record, () => {
    gateway.metrics.group(undefined, door.route).finished(failure.status, duration, 0, failure.code)
    if (response.headersSent || response.destroyed) return
    const head = `content-type: application/json\r\nx-litellm-call-id: ${id}\r\n${failureLines(failure)}`
    sendBody(response, failure.status, head, door.errorBody(failure, id))
  })
}

function asGatewayError(gateway: Gateway, error: unknown, { body }: Arrival): GatewayError {
  if (error instanceof GatewayError) return error
  // The engine parses any depth but writes and walks only what its stack holds; asked here, it costs good calls nothing.
  if (error instanceof RangeError && nestingDepth(body.text) > maxNesting) {
    return new GatewayError('invalid_request', `The request body is nested more than ${maxNesting} levels deep.`)
  }
  gateway.log.error({ err: error }, 'unexpected error in the pipeline')
  return new GatewayError(
    'internal_error',
    'The gateway failed to handle this request; the operator finds details in its log.',
    {
      cause: error,
    },
  )
}
