import { z } from 'zod'
import { routeiqAccess } from './access-settings.ts'
import { auditSettings } from './audit-settings.ts'
import { learnedRouting } from './learned-routing-settings.ts'
import { routeiqLedger } from './ledger-settings.ts'
import { routeiqLimits } from './limit-settings.ts'
import { routerLoop } from './router-loop-settings.ts'
import { defaulted, key, section } from './section.ts'
import { flag, name, names, positiveCount, seconds } from './values.ts'

const port = z.int().min(1).max(65535)
const ports = z.array(port)

const purposeLists = {
  allow_hosts: defaulted(
    names,
    [],
    'Hosts that may be reached whatever they resolve to: `ollama:11434`, `*.internal`.',
  ),
  allow_cidrs: defaulted(names, [], 'Address ranges that may be reached: `10.1.0.0/16`, `127.0.0.1/32`.'),
}

const purposeRules = (defaultPorts: string) =>
  section({
    ...purposeLists,
    ports: key(ports, `Ports that may be called. Default: ${defaultPorts}.`),
    only_listed: defaulted(flag, false, 'Refuse public addresses as well, unless they are listed.'),
  })

/** One instance: building Zod types costs start-up time. */
const anyPort = purposeRules('any but those of mail, chat and database services')
const ownRules = (schema: typeof anyPort, description: string) => key(schema, description)

const egress = section({
  allow_hosts: defaulted(names, [], 'Host names that may resolve to private addresses: `ollama`, `*.internal`.'),
  allow_cidrs: defaulted(names, [], 'Private address ranges that may be reached: `10.1.0.0/16`, `127.0.0.1/32`.'),
  ports: key(ports, 'Ports that may be called. Default: any but those of mail, chat and database services.'),
  dns_servers: defaulted(
    names,
    [],
    'DNS servers asked in place of the system’s resolver: `10.0.0.53`, `10.0.0.53:5353`.',
  ),
  providers: ownRules(anyPort, 'Model vendors. Default: the lists above.'),
  secrets: ownRules(anyPort, 'Vaults and secret managers. Default: the lists above.'),
  identity: ownRules(anyPort, 'Identity providers: key sets, OIDC, introspection. Default: the lists above.'),
  audit: ownRules(anyPort, 'Where audit records and events are shipped. Default: the lists above.'),
  webhooks: ownRules(purposeRules('80, 443, 8080, 8443'), 'Alerts and callbacks. Default: nothing private.'),
  mcp: ownRules(anyPort, 'MCP servers and agents. Default: nothing private.'),
  image_fetch: ownRules(purposeRules('80, 443'), 'Images and files callers name by URL. Default: nothing private.'),
})

const secrets = section({
  poll_interval_seconds: defaulted(
    z.number().min(1),
    60,
    'How often secrets in use are read again from where they are kept.',
    { unit: 's' },
  ),
  grace_period_seconds: defaulted(
    seconds,
    300,
    'How long the value before a change stays usable where the new one is refused.',
    { unit: 's' },
  ),
  file_dirs: key(
    names,
    'Directories from which `file/…` and `oidc/file/…` may read. Default: LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS, else /run/secrets and /var/run/secrets.',
  ),
})

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** Settings LiteLLM has no name for. */
export const routeiqSettings = section({
  egress: {
    schema: egress.prefault({}),
    info: {
      status: 'active',
      description: 'Which private addresses outbound connections may reach, by purpose; see below.',
    },
  },
  secrets: {
    schema: secrets.prefault({}),
    info: { status: 'active', description: 'How secrets are kept current; see docs/secrets.md.' },
  },
  limits: {
    schema: routeiqLimits.prefault({}),
    info: { status: 'active', description: 'How limits and budgets are enforced; see docs/limits.md.' },
  },
  ledger: {
    schema: routeiqLedger.prefault({}),
    info: { status: 'active', description: 'How calls are booked, read at start; see docs/spend.md.' },
  },
  routing: {
    schema: learnedRouting.prefault({}),
    info: {
      status: 'active',
      description: 'Choosing among models by what is known of the prompt; see docs/learned-routing.md.',
    },
  },
  router_loop: {
    schema: routerLoop.prefault({}),
    info: {
      status: 'active',
      description: 'What is learned from use: decisions, feedback, rollouts, drift; see docs/learned-routing-loop.md.',
    },
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
  trusted_proxies: defaulted(
    names,
    [],
    'Addresses or CIDR ranges of the proxies in front of the gateway; only from them is `X-Forwarded-For` believed.',
  ),
  ...routeiqAccess,
  audit: {
    schema: auditSettings.prefault({}),
    info: { status: 'active', description: 'The audit log: where copies go, checkpoints, retention; see below.' },
  },
  data_directory: key(
    name,
    'Folder of the embedded database and the local journal. Default: ROUTEIQ_DATA_DIR, else `.routeiq` beside the config.',
  ),
  identity_stale_seconds: defaulted(
    seconds,
    3600,
    'How long callers seen before are still served while the store cannot be asked.',
    { unit: 's' },
  ),
  release_memory_after_seconds: defaulted(
    seconds,
    120,
    'How long nobody calls before a process gives memory back to the system, once after its start and after each busy time: one pause of about 0.1 s, then a second of dearer calls. Linux; not with MALLOC_MMAP_THRESHOLD_ set by hand. 0: never.',
    { unit: 's' },
  ),
  shutdown_timeout_seconds: defaulted(seconds, 30, 'How long calls in flight may finish after SIGTERM.', { unit: 's' }),
  log_level: defaulted(z.enum(logLevels), 'info', 'Least severe log line that is written.'),
})

export { egress as egressSettings }
export type RouteiqSettings = z.output<typeof routeiqSettings>
