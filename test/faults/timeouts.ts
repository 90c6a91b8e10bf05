import type { Scenario } from './scenario.ts'

const timedOut = 'upstream_timeout'
const short = 0.25

export const timeoutScenarios: readonly Scenario[] = [
  {
    name: 'no first token within ttft_timeout, then a sibling',
    stream: true,
    sides: [{ fault: 'ttft=20000', params: { ttft_timeout: short } }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete' },
  },
  {
    name: 'no first token within stream_timeout',
    stream: true,
    sides: [{ fault: 'ttft=20000', params: { stream_timeout: short } }],
    expect: { status: 408, error: timedOut, message: /did not answer within 0\.25 s/, attempts: 1 },
  },
  {
    name: 'no head within stream_timeout, translated',
    stream: true,
    caller: 'anthropic',
    sides: [{ wire: 'gemini', fault: 'delay=20000', params: { stream_timeout: short } }],
    expect: { status: 408, error: 'timeout_error', attempts: 1 },
  },
  {
    name: 'stream_timeout of the deployment does not bind plain calls',
    sides: [{ fault: 'delay=300', params: { stream_timeout: 0.1 } }],
    expect: { status: 200, attempts: 1, by: 0 },
  },
  {
    name: 'timeout of the deployment, then a fallback',
    sides: [{ fault: 'hang', params: { timeout: short } }],
    fallback: { wire: 'anthropic' },
    expect: { status: 200, attempts: 2, by: 'fallback' },
  },
  {
    name: 'timeout from the body',
    sides: [{ fault: 'hang' }],
    body: { timeout: short },
    expect: { status: 408, error: timedOut, attempts: 1 },
  },
  {
    name: 'timeout from the header beats the body',
    sides: [{ fault: 'hang' }],
    body: { timeout: 50 },
    headers: { 'x-litellm-timeout': '0.25' },
    expect: { status: 408, error: timedOut, message: /0\.25 s/, attempts: 1 },
  },
  {
    name: 'stream timeout from the header',
    stream: true,
    caller: 'anthropic',
    sides: [{ wire: 'anthropic', fault: 'hang' }],
    headers: { 'x-litellm-stream-timeout': '0.25' },
    expect: { status: 408, error: 'timeout_error', attempts: 1 },
  },
  {
    name: 'a body that trickles is bounded as a whole',
    sides: [{ fault: 'drip=4,cadence=20', params: { timeout: 0.4 } }],
    expect: { status: 408, error: timedOut, attempts: 1 },
  },
  {
    name: 'hangs for ever, then a sibling',
    stream: true,
    sides: [{ wire: 'anthropic', fault: 'hang', params: { timeout: short } }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete' },
  },
  {
    name: 'pings do not count as a first token',
    stream: true,
    sides: [{ fault: 'ping,ttft=20000', params: { ttft_timeout: short } }, {}],
    expect: { status: 200, attempts: 2, by: 1, end: 'complete' },
  },
  {
    name: 'head and preamble, then silence',
    stream: true,
    sides: [{ wire: 'anthropic', fault: 'stall', params: { stream_timeout: short } }],
    caller: 'anthropic',
    expect: { status: 408, error: 'timeout_error', attempts: 1 },
  },
  {
    name: 'silence after content is an error event',
    stream: true,
    sides: [{ fault: 'cadence=20000', params: { stream_idle_timeout: short } }, {}],
    expect: {
      status: 200,
      attempts: 1,
      by: 0,
      end: 'error',
      error: timedOut,
      message: /silent for 0\.25 s/,
      text: /^echo:$/,
    },
  },
  {
    name: 'silence after content, translated',
    stream: true,
    caller: 'anthropic',
    sides: [{ wire: 'gemini', fault: 'cadence=20000', params: { stream_idle_timeout: short } }],
    expect: { status: 200, attempts: 1, by: 0, end: 'error', error: 'timeout_error', text: /^echo:/ },
  },
  {
    name: 'a slow but steady stream outlives its timeouts',
    stream: true,
    sides: [{ fault: 'chunks=12,cadence=60', params: { stream_idle_timeout: 0.5, timeout: 0.5, ttft_timeout: 0.5 } }],
    expect: { status: 200, attempts: 1, by: 0, end: 'complete', text: /word11$/ },
  },
]
