import { z } from 'zod'
import { defaulted, section } from './section.ts'
import { flag, names, positiveCount, seconds } from './values.ts'

const egress = section({
  allow_hosts: defaulted(names, [], 'Host names that may resolve to private addresses: `ollama`, `*.internal`.'),
  allow_cidrs: defaulted(names, [], 'Private address ranges that may be reached: `10.1.0.0/16`, `127.0.0.1/32`.'),
})

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** Settings LiteLLM has no name for. */
export const routeiqSettings = section({
  egress: {
    schema: egress.prefault({}),
    info: { status: 'active', description: 'Which private addresses upstream calls may reach; see below.' },
  },
  stream_commit_timeout: defaulted(
    seconds,
    10,
    'How long the head of a streamed answer is held for the first content, so that an early failure can still fall back.',
    { unit: 's' },
  ),
  explain_entries: defaulted(positiveCount, 1000, 'Decisions kept for GET /v1/routeiq/explain/{request_id}.'),
  prefix_affinity: defaulted(
    flag,
    true,
    'Send calls with the same long prompt prefix where the vendor discounts cached input.',
  ),
  shutdown_timeout_seconds: defaulted(seconds, 30, 'How long calls in flight may finish after SIGTERM.', { unit: 's' }),
  log_level: defaulted(z.enum(logLevels), 'info', 'Least severe log line that is written.'),
})

export { egress as egressSettings }
export type RouteiqSettings = z.output<typeof routeiqSettings>
