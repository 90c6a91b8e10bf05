import type { WireName } from '../upstream/types.ts'
import { type Caller, echo, type Scenario, wires } from './scenario.ts'

const callers: readonly Caller[] = ['openai', 'anthropic']
const first = /^echo:$/

/** The same for every wire and both callers: relayed and translated streams must tell the same truth. */
function everywhere(make: (wire: WireName, caller: Caller) => Omit<Scenario, 'stream' | 'caller'>): Scenario[] {
  return wires
    .flatMap(wire => callers.map(caller => ({ ...make(wire, caller), stream: true, caller }) as Scenario))
    .map((scenario, index) => ({ ...scenario, name: `${scenario.name}: ${wires[index >> 1]} → ${scenario.caller}` }))
}

export const streamScenarios: readonly Scenario[] = [
  ...everywhere(wire => ({
    name: 'a healthy stream',
    sides: [{ wire }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'error event before content falls back',
    sides: [{ wire, fault: 'error_content=0' }],
    fallback: { wire: 'openai' },
    expect: { status: 200, attempts: 2, by: 'fallback', end: 'complete', text: echo },
  })),
  ...everywhere((wire, caller) => ({
    name: 'error event before content, nobody else: the true status',
    sides: [{ wire, fault: 'error_content=0,error_kind=rate_limit' }],
    expect: { status: 429, attempts: 1, ...(caller === 'anthropic' ? { error: 'rate_limit_error' } : {}) },
  })),
  ...everywhere((wire, caller) => ({
    name: 'error event after content',
    sides: [{ wire, fault: 'error_content=1' }, {}],
    fallback: {},
    expect: {
      status: 200,
      attempts: 1,
      by: 0,
      end: 'error',
      text: first,
      // OpenAI and Azure say `server_error`, Anthropic and Gemini that they are overloaded.
      ...(caller === 'anthropic' ? { error: /openai/.test(wire) ? 'api_error' : 'overloaded_error' } : {}),
    },
  })),
  ...everywhere((wire, caller) => ({
    name: 'cut after content',
    sides: [{ wire, fault: 'cut_content=1' }, {}],
    expect: {
      status: 200,
      attempts: 1,
      by: 0,
      end: 'error',
      text: first,
      error: caller === 'openai' ? 'upstream_unreachable' : 'api_error',
    },
  })),
  ...everywhere((wire, caller) => ({
    name: 'clean end without a terminal event after content',
    sides: [{ wire, fault: 'end_content=1' }, {}],
    expect: {
      status: 200,
      attempts: 1,
      by: 0,
      end: 'error',
      text: first,
      error: caller === 'openai' ? 'stream_interrupted' : 'api_error',
    },
  })),
  ...everywhere(wire => ({
    name: 'cut before content, then a sibling',
    sides: [{ wire, fault: 'cut_content=0' }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'clean end before content, then a sibling',
    sides: [{ wire, fault: 'end_content=0' }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'malformed event before content, then a sibling',
    // OpenAI and Azure open with a role event, Anthropic with three events of its own, Gemini at once with text.
    sides: [{ wire, fault: wire === 'gemini' ? 'malformed=0' : 'malformed=1' }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'cut into single bytes',
    sides: [{ wire, fault: 'split=1' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'cut every 7 bytes, CRLF, pings',
    sides: [{ wire, fault: 'split=7,crlf,ping' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'gzip stream',
    sides: [{ wire, fault: 'gzip' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete', text: echo },
  })),
  ...everywhere(wire => ({
    name: 'pings only, then an error: still a fallback',
    sides: [{ wire, fault: 'ping,error_content=0' }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete', text: echo },
  })),
  {
    name: 'a cut at byte 5 is before content',
    stream: true,
    sides: [{ fault: 'cut=5' }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete' },
  },
  {
    name: 'no [DONE] but a finish reason is a complete answer, relayed',
    stream: true,
    sides: [{ fault: 'no_done' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'unmarked' },
  },
  {
    name: 'no [DONE] but a finish reason, translated',
    stream: true,
    caller: 'anthropic',
    sides: [{ fault: 'no_done' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete' },
  },
  {
    // Anthropic has one end for every stream; without it the message may lack its last blocks.
    name: 'no message_stop is a truncation',
    stream: true,
    sides: [{ wire: 'anthropic', fault: 'no_done' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'error', error: 'stream_interrupted' },
  },
  {
    name: 'usage is asked for upstream and kept from a caller who did not ask',
    stream: true,
    sides: [{}],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete' },
  },
  {
    name: 'a content-length on a stream that is too short',
    stream: true,
    sides: [{ fault: 'content_length=-30' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'error', text: /./ },
  },
  {
    name: 'JSON error in place of the stream it announced',
    stream: true,
    sides: [{ raw: 'json-as-stream' }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete' },
  },
  {
    name: 'JSON error in a 200 to a streamed call, nobody else',
    stream: true,
    caller: 'anthropic',
    sides: [{ fault: 'error_body,error_kind=rate_limit' }],
    expect: { status: 429, error: 'rate_limit_error', attempts: 1 },
  },
  {
    name: 'an empty stream',
    stream: true,
    sides: [{ raw: 'empty-stream' }],
    expect: { status: 502, error: 'stream_interrupted', attempts: 1 },
  },
  {
    name: 'an event without end',
    stream: true,
    sides: [{ raw: 'endless-event' }],
    expect: { status: 502, error: 'upstream_bad_response', message: /too large/, attempts: 1 },
  },
  {
    name: 'an event without end, translated',
    stream: true,
    caller: 'anthropic',
    sides: [{ raw: 'endless-event' }],
    expect: { status: 502, error: 'api_error', message: /too large/, attempts: 1 },
  },
  ...(['reset-after-done', 'close-before-done', 'no-last-newline', 'two-data-lines', 'bom-and-cr'] as const).flatMap(
    raw =>
      callers.map(
        (caller): Scenario => ({
          name: `${raw}, ${caller} caller`,
          stream: true,
          caller,
          sides: [{ raw }],
          expect: {
            status: 200,
            attempts: 1,
            by: 0,
            end: raw === 'close-before-done' && caller === 'openai' ? 'unmarked' : 'complete',
            text: 'raw',
          },
        }),
      ),
  ),
  {
    name: 'content filter stop inside a stream is passed on as it is',
    stream: true,
    sides: [{ fault: 'filter=completion' }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete', text: /.*/ },
  },
]
