import type { WireName } from '../upstream/types.ts'
import { type Caller, type Scenario, wires } from './scenario.ts'

interface Row {
  readonly status: number
  /** Another deployment of the group is asked. */
  readonly retried: boolean
  /** `error.code` for OpenAI callers, as the vendor of each wire words it; in the order of `wires`. */
  readonly codes: readonly [string, string, string, string]
  /** `error.type` for Anthropic callers. */
  readonly type: string
}

const row = (status: number, retried: boolean, codes: Row['codes'], type: string): Row => ({
  status,
  retried,
  codes,
  type,
})
const invalid = 'invalid_request_error'

const rows: readonly Row[] = [
  row(400, false, [invalid, invalid, invalid, 'INVALID_ARGUMENT'], invalid),
  row(401, true, ['invalid_api_key', '401', 'authentication_error', 'UNAUTHENTICATED'], 'authentication_error'),
  row(
    403,
    true,
    [
      'unsupported_country_region_territory',
      'unsupported_country_region_territory',
      'permission_error',
      'PERMISSION_DENIED',
    ],
    'permission_error',
  ),
  row(404, true, ['model_not_found', 'model_not_found', 'not_found_error', 'NOT_FOUND'], 'not_found_error'),
  row(408, true, [invalid, invalid, invalid, 'DEADLINE_EXCEEDED'], 'timeout_error'),
  row(409, true, [invalid, invalid, invalid, 'UNKNOWN'], 'rate_limit_error'),
  row(413, false, [invalid, invalid, 'request_too_large', 'UNKNOWN'], 'request_too_large'),
  row(422, false, [invalid, invalid, invalid, 'UNKNOWN'], invalid),
  row(429, true, ['rate_limit_exceeded', '429', 'rate_limit_error', 'RESOURCE_EXHAUSTED'], 'rate_limit_error'),
  row(500, true, ['server_error', 'server_error', 'api_error', 'INTERNAL'], 'api_error'),
  row(502, true, ['server_error', 'server_error', 'api_error', 'UNKNOWN'], 'api_error'),
  row(503, true, ['server_error', 'server_error', 'api_error', 'UNAVAILABLE'], 'overloaded_error'),
  row(504, true, ['server_error', 'server_error', 'api_error', 'DEADLINE_EXCEEDED'], 'timeout_error'),
  row(529, true, ['server_error', 'server_error', 'overloaded_error', 'UNKNOWN'], 'overloaded_error'),
]

/** Alone, the caller sees the upstream's own status, in its own dialect, streamed or not. */
function alone({ status, codes, type }: Row, wire: WireName, caller: Caller, stream: boolean): Scenario {
  return {
    name: `${status} from ${wire}, ${caller} caller, ${stream ? 'streamed' : 'plain'}`,
    caller,
    stream,
    sides: [{ wire, fault: `status=${status}` }],
    expect: { status, error: caller === 'openai' ? codes[wires.indexOf(wire)] : type, attempts: 1 },
  }
}

const everyWire = rows.flatMap(row =>
  wires.flatMap((wire, index) => [
    alone(row, wire, 'openai', index % 2 === 0),
    alone(row, wire, 'anthropic', index % 2 === 1),
  ]),
)

const siblings: readonly Scenario[] = rows.map(({ status, retried, codes }, index) => ({
  name: `${status} with a healthy sibling is ${retried ? '' : 'not '}retried there`,
  stream: index % 2 === 0,
  sides: [{ fault: `status=${status}` }, {}],
  expect: retried ? { status: 200, attempts: 2, by: 1 } : { status, error: codes[0], attempts: 1 },
}))

const fallbacks: readonly Scenario[] = rows.map(({ status }, index) => ({
  name: `${status} falls back to another wire`,
  stream: index % 2 === 1,
  caller: index % 3 === 0 ? 'anthropic' : 'openai',
  sides: [{ fault: `status=${status}` }],
  fallback: { wire: wires[index % wires.length]! },
  expect: { status: 200, attempts: 2, by: 'fallback', headers: { 'x-litellm-attempted-fallbacks': '1' } },
}))

export const statusScenarios: readonly Scenario[] = [
  ...everyWire,
  ...siblings,
  ...fallbacks,
  {
    name: '429 alone passes the vendor’s Retry-After on',
    sides: [{ fault: 'status=429,retry_after=17' }],
    expect: { status: 429, error: 'rate_limit_exceeded', attempts: 1, headers: { 'retry-after': '17' } },
  },
  {
    name: '503 with Retry-After for an Anthropic caller',
    caller: 'anthropic',
    stream: true,
    sides: [{ wire: 'anthropic', fault: 'status=529,retry_after=3' }],
    expect: { status: 529, error: 'overloaded_error', attempts: 1, headers: { 'retry-after': '3' } },
  },
  {
    name: 'Retry-After is waited for where nobody else can answer',
    sides: [{ fault: 'fail=1,status=429,retry_after=0.2' }],
    body: { num_retries: 1 },
    expect: { status: 200, attempts: 2, by: 0, headers: { 'x-litellm-attempted-retries': '1' } },
  },
  {
    name: 'two failures, then an answer, on one deployment',
    sides: [{ fault: 'fail=2,status=500' }],
    body: { num_retries: 2 },
    expect: { status: 200, attempts: 3, by: 0, headers: { 'x-litellm-attempted-retries': '2' } },
  },
  {
    name: 'an exhausted quota is a 429 in the vendor’s words',
    sides: [{ fault: 'quota' }],
    expect: { status: 429, error: 'insufficient_quota', message: /current quota/, attempts: 1 },
  },
  {
    name: 'the wrong key of a deployment is not shown to the caller',
    sides: [{ fault: 'status=401' }],
    expect: { status: 401, error: 'invalid_api_key', message: /^(?!.*sk-upstream)/, attempts: 1 },
  },
]
