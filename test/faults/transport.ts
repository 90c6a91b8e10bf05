import type { Scenario } from './scenario.ts'

const unreachable = 'upstream_unreachable'
const bad = 'upstream_bad_response'
/** Nothing listens on the discard port of loopback. */
const closedPort = { api_base: 'http://127.0.0.1:9/v1' }

export const transportScenarios: readonly Scenario[] = [
  {
    name: 'connection refused',
    sides: [{ params: closedPort }],
    expect: { status: 502, error: unreachable, message: /ECONNREFUSED/, attempts: 1, reached: 0 },
  },
  {
    name: 'connection refused, Anthropic caller',
    caller: 'anthropic',
    stream: true,
    sides: [{ wire: 'anthropic', params: { api_base: 'http://127.0.0.1:9' } }],
    expect: { status: 502, error: 'api_error', attempts: 1, reached: 0 },
  },
  {
    name: 'connection refused, then a sibling',
    stream: true,
    sides: [{ params: closedPort }, {}],
    expect: { status: 200, attempts: 2, reached: 1, by: 1 },
  },
  {
    name: 'reset before the head',
    sides: [{ fault: 'reset' }],
    expect: { status: 502, error: unreachable, attempts: 1 },
  },
  {
    name: 'reset before the head, streamed, falls back',
    stream: true,
    sides: [{ fault: 'reset' }],
    fallback: { wire: 'anthropic' },
    expect: { status: 200, attempts: 2, by: 'fallback' },
  },
  {
    name: 'reset in the middle of a plain body',
    sides: [{ fault: 'cut=40' }],
    expect: { status: 502, error: unreachable, attempts: 1 },
  },
  {
    name: 'reset in the middle of a plain body, then a sibling',
    sides: [{ fault: 'cut=40' }, { wire: 'gemini' }],
    expect: { status: 200, attempts: 2, by: 1 },
  },
  {
    name: 'content-length announces more than comes',
    sides: [{ fault: 'content_length=50' }, {}],
    expect: { status: 200, attempts: 2, by: 1 },
  },
  {
    name: 'content-length announces less than comes',
    sides: [{ fault: 'content_length=-20' }],
    fallback: {},
    expect: { status: 200, attempts: 2, by: 'fallback' },
  },
  {
    name: 'content-length too short, nobody else',
    caller: 'anthropic',
    sides: [{ wire: 'anthropic', fault: 'content_length=-20' }],
    expect: { status: 502, error: 'api_error', attempts: 1 },
  },
  { name: 'gzip body', sides: [{ fault: 'gzip' }], expect: { status: 200, attempts: 1, by: 0 } },
  {
    name: 'gzip body, translated',
    sides: [{ wire: 'gemini', fault: 'gzip' }],
    expect: { status: 200, attempts: 1, by: 0 },
  },
  {
    name: 'gzip error body keeps its status and words',
    sides: [{ fault: 'gzip,status=429' }],
    expect: { status: 429, error: 'rate_limit_exceeded', message: /Rate limit/, attempts: 1 },
  },
  {
    name: 'unreadable error body keeps its status and Retry-After',
    sides: [{ raw: 'limited-unreadable' }],
    expect: {
      status: 429,
      error: 'rate_limit_exceeded',
      message: /HTTP 429/,
      attempts: 1,
      headers: { 'retry-after': '7' },
    },
  },
  {
    name: 'malformed JSON',
    sides: [{ fault: 'malformed' }],
    expect: { status: 502, error: bad, attempts: 1 },
  },
  {
    name: 'malformed JSON from Anthropic, then a sibling',
    sides: [{ wire: 'anthropic', fault: 'malformed' }, {}],
    expect: { status: 200, attempts: 2, by: 1 },
  },
  {
    name: 'malformed JSON from Gemini, Anthropic caller',
    caller: 'anthropic',
    sides: [{ wire: 'gemini', fault: 'malformed' }],
    expect: { status: 502, error: 'api_error', attempts: 1 },
  },
  { name: 'HTML page with 200', sides: [{ fault: 'html' }], expect: { status: 502, error: bad, attempts: 1 } },
  {
    name: 'HTML page with 200 in place of a stream, then a sibling',
    stream: true,
    sides: [{ fault: 'html' }, {}],
    expect: { status: 200, attempts: 2, by: 1 },
  },
  {
    name: 'HTML page with 502 shows its title, not its markup',
    sides: [{ fault: 'html,status=502' }],
    expect: { status: 502, error: bad, message: /^upstream: 502 Bad Gateway$/, attempts: 1 },
  },
  {
    name: 'error object in a 200',
    sides: [{ fault: 'error_body' }],
    // It says `server_error` and no status.
    expect: { status: 500, error: 'server_error', message: /overloaded/, attempts: 1 },
  },
  {
    name: 'rate limit in a 200, then a sibling',
    sides: [{ fault: 'error_body,error_kind=rate_limit' }, { wire: 'anthropic' }],
    expect: { status: 200, attempts: 2, by: 1 },
  },
  {
    name: 'error object in a 200 from Anthropic, relayed',
    caller: 'anthropic',
    sides: [{ wire: 'anthropic', fault: 'error_body,error_kind=rate_limit' }],
    expect: { status: 429, error: 'rate_limit_error', attempts: 1 },
  },
  {
    name: 'error object in a 200 from Gemini',
    sides: [{ wire: 'gemini', fault: 'error_body' }],
    expect: { status: 503, attempts: 1 },
  },
  {
    name: 'answer beyond max_response_size_mb',
    sides: [{ fault: 'huge=2' }],
    expect: { status: 502, error: bad, message: /larger than 1048576 bytes/, attempts: 1 },
  },
  {
    name: 'gzip bomb beyond max_response_size_mb',
    sides: [{ fault: 'huge=8,gzip' }],
    expect: { status: 502, error: bad, attempts: 1 },
  },
  {
    name: 'a redirect is not followed',
    sides: [{ fault: 'status=302,location=http://127.0.0.1:9/elsewhere' }],
    expect: { status: 502, error: bad, message: /redirect \(302\)/, attempts: 1 },
  },
  {
    name: 'a redirect is a failure that falls back',
    stream: true,
    sides: [{ fault: 'status=307,location=/v1/chat/completions' }],
    fallback: {},
    expect: { status: 200, attempts: 2, by: 'fallback' },
  },
  {
    name: 'a denied address',
    sides: [{ params: { api_base: 'http://10.0.0.1/v1' } }],
    expect: { status: 403, error: 'egress_denied', message: /10\.0\.0\.1/, attempts: 1, reached: 0 },
  },
  {
    name: 'a denied address, then a sibling',
    sides: [{ params: { api_base: 'http://10.0.0.1/v1' } }, {}],
    expect: { status: 200, attempts: 2, reached: 1, by: 1 },
  },
  {
    name: 'the metadata address, then a fallback',
    stream: true,
    sides: [{ params: { api_base: 'http://169.254.169.254/v1' } }],
    fallback: { wire: 'gemini' },
    expect: { status: 200, attempts: 2, reached: 1, by: 'fallback' },
  },
  ...(
    [
      ['not-http', bad],
      ['close-at-once', unreachable],
      ['half-a-head', unreachable],
      ['huge-head', bad],
      ['no-content', bad],
      ['empty-body', bad],
      ['bad-chunk', bad],
      ['odd-status', bad],
      ['unknown-encoding', bad],
    ] as const
  ).flatMap(([raw, error]): Scenario[] => [
    { name: `${raw}: plain`, sides: [{ raw }], expect: { status: 502, error, attempts: 1 } },
    {
      name: `${raw}: streamed, then a sibling`,
      stream: true,
      sides: [{ raw }, {}],
      expect: { status: 200, attempts: 2, by: 1 },
    },
  ]),
  {
    name: 'early hints are skipped',
    sides: [{ raw: 'early-hints' }],
    expect: { status: 200, attempts: 1, by: 0, text: 'raw' },
  },
  {
    name: 'a body without length',
    sides: [{ raw: 'no-length' }],
    expect: { status: 200, attempts: 1, by: 0, text: 'raw' },
  },
]
