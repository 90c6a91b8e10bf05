import { join } from 'node:path'
import { AuditService } from '../governance/audit/audit-service.ts'
import { configuredAudit } from '../governance/audit/configured-audit.ts'
import type { Principal } from '../governance/authentication/principal.ts'
import type { GuardedRoute } from '../governance/authorization/permission.ts'
import { Cipher } from '../governance/encryption/cipher.ts'
import { Governance } from '../governance/governance.ts'
import { type Ledger, openLedger } from '../governance/ledger/ledger.ts'
import { registerLedgerMetrics } from '../governance/ledger/ledger-metrics.ts'
import { Retention, type RetentionSettings } from '../governance/ledger/retention/retention.ts'
import { type Alerts, noAlerts } from '../governance/limits/alerts.ts'
import { BudgetReset } from '../governance/limits/budget-reset.ts'
import { compileEnforcement } from '../governance/limits/compile-enforcement.ts'
import { parseDuration } from '../governance/limits/durations.ts'
import type { ServedNames } from '../governance/limits/ledger-sums.ts'
import { StoreRuleSource } from '../governance/limits/rule-source.ts'
import type { SpendSource } from '../governance/limits/spend-source.ts'
import { StoreSpend } from '../governance/limits/store-spend.ts'
import { Thresholds } from '../governance/limits/thresholds.ts'
import { slackMessage, WebhookAlerts } from '../governance/limits/webhook-alerts.ts'
import type { Calendar } from '../governance/limits/windows.ts'
import { KeyRotation, rotationSettings } from '../governance/management/keys/key-rotation.ts'
import type { Management, ManagementSettings } from '../governance/management/management.ts'
import { Reservations } from '../pipeline/reservation/reserve.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import type { Outbound } from '../platform/security/outbound.ts'
import { Secret } from '../platform/security/secret.ts'
import { MemoryState } from '../platform/shared-state/memory/memory-state.ts'
import type { SharedState } from '../platform/shared-state/shared-state.ts'
import { openStore, type StoreOptions } from '../platform/store/open-store.ts'
import type { Store } from '../platform/store/store.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { MetricsRegistry } from '../platform/telemetry/metrics.ts'
import { dataDirectory } from './data-directory.ts'

/** Milliseconds. The thread that ships takes 50 ms of processor to start, which the first calls shall have. */
const shipAfter = 1000
/** Milliseconds in which a call is in the books while the store answers. */
const shippedWithin = 5000

export interface GovernanceOptions {
  readonly loaded: LoadedConfig
  readonly configPath: string | undefined
  /** More processes than this one use the same store. */
  readonly shared: boolean
  readonly state: SharedState
  readonly outbound: Outbound
  readonly registry: MetricsRegistry
  readonly clock: Clock
  readonly log: Logger
  /** Budget periods, as the configuration in force has them. */
  readonly calendar: () => Calendar
  /** Names of what served a call to a virtual name. */
  readonly served: ServedNames
}

/** What outlives every configuration: who exists, the books, the record of changes. */
export interface RunningGovernance {
  readonly governance: Governance
  readonly ledger: Ledger
  readonly audit: AuditService
  readonly reservations: Reservations
  readonly spend: SpendSource
  readonly budgetReset: BudgetReset
  /** Milliseconds to bring the books into the store; what is left stays in the journal for the next start. */
  close(timeout: number): Promise<void>
}

/**
 * Opens store, ledger and audit log. A PostgreSQL that is away does not hold up the start: the gateway serves what it
 * can, and catches up.
 * @throws GatewayError `config_invalid`
 */
export async function openGovernance(options: GovernanceOptions): Promise<RunningGovernance> {
  const { loaded, state, clock, log, outbound, registry } = options
  const { general_settings: general, routeiq } = loaded.config
  const data = dataDirectory(options.configPath, routeiq.data_directory ?? nonEmpty(loaded.env['ROUTEIQ_DATA_DIR']))
  if (data.warning !== undefined) log.warn(data.warning)
  const place = storeOptions(loaded, data.path, options.configPath === undefined && !options.shared)
  const store = await openStore({
    ...place,
    onAvailability: (available, reason) =>
      available ? log.info({ reason }, 'store is back') : log.error({ reason }, 'store is out of reach'),
  })
  const audit = new AuditService(
    { store, state, registry, log, clock },
    configuredAudit(loaded, { outbound, log, clock }),
  )
  const governance = new Governance({
    store,
    state,
    clock,
    recordIn: (trx, event) => audit.log.recordIn(trx, event),
    cache: {
      ttl: general.user_api_key_cache_ttl * 1000,
      maxEntries: general.user_api_key_cache_max_size,
      staleFor: routeiq.identity_stale_seconds * 1000,
    },
  })
  const ledger = openLedger({
    directory: join(data.path, 'ledger'),
    store,
    storeOptions: place,
    startAfter: shipAfter,
    maxBytes: routeiq.ledger.max_bytes,
    onFull: routeiq.ledger.on_full,
    fsync: routeiq.ledger.fsync,
    log,
    clock,
  })
  registerLedgerMetrics(registry, ledger, clock)
  audit.start()
  const retention = new Retention({ store, state, clock, log, settings: () => retentionSettings(options.loaded) })
  retention.start()
  const spend = new StoreSpend(store, clock, options.served)
  const local = new MemoryState()
  const rules = new StoreRuleSource({ store, clock })
  governance.onNotice(({ kind, id }) => {
    if (kind === 'all') rules.drop('all')
    else if (kind === 'end_user' || kind === 'tag') rules.drop(kind, id)
  })
  const thresholds = new Thresholds(alertsOf(options), state)
  const reservations = new Reservations({
    state,
    local,
    rules,
    thresholds,
    clock,
    log,
    shipping: () => (ledger.backlog().oldestAt ?? Number.POSITIVE_INFINITY) < clock.epoch() - shippedWithin,
    leaseTime: routeiq.limits.lease_seconds * 1000,
  })
  const budgetReset = new BudgetReset({
    store,
    state,
    clock,
    log,
    calendar: options.calendar,
    minPause: general.proxy_budget_rescheduler_min_time * 1000,
    maxPause: general.proxy_budget_rescheduler_max_time * 1000,
  })
  return {
    governance,
    ledger,
    audit,
    reservations,
    spend,
    budgetReset,
    async close(timeout) {
      budgetReset.close()
      governance.close()
      retention.close()
      await reservations.close()
      await local.close()
      await ledger.close(timeout)
      await audit.close(timeout)
      await state.flush()
      await state.close()
      await closeStore(store)
    },
  }
}

function retentionSettings({ config }: LoadedConfig): RetentionSettings {
  const { general_settings: general } = config
  return {
    period: lengthOf(general.maximum_spend_logs_retention_period),
    interval: lengthOf(general.maximum_spend_logs_retention_interval),
    cron: general.maximum_spend_logs_cleanup_cron,
  }
}

/** Milliseconds of `90d`; months count thirty days. */
function lengthOf(text: string | undefined): number | undefined {
  const duration = parseDuration(text)
  if (duration === undefined) return undefined
  const unit = duration.unit === 'ms' ? 1 : 86_400_000 * (duration.unit === 'months' ? 30 : 1)
  return duration.length * unit
}

/** `general_settings.alerting`, and the variables LiteLLM takes the addresses from. */
function alertsOf({ loaded, outbound, log }: GovernanceOptions): Alerts {
  const places: Alerts[] = []
  for (const [name, variable, body] of [
    ['webhook', 'WEBHOOK_URL', undefined],
    ['slack', 'SLACK_WEBHOOK_URL', slackMessage],
  ] as const) {
    if (loaded.config.general_settings.alerting?.includes(name) !== true) continue
    const url = nonEmpty(loaded.env[variable])
    if (url === undefined) {
      log.warn(`general_settings.alerting: ${name} is named, but ${variable} is not set: no alert will be sent there`)
      continue
    }
    const refused = outbound.check('webhooks', url)
    if (refused !== undefined) log.warn(`${variable}: ${refused.message}`)
    places.push(new WebhookAlerts({ outbound, url, log, ...(body === undefined ? {} : { body }) }))
  }
  return places.length === 0 ? noAlerts : { emit: event => places.forEach(place => void place.emit(event)) }
}

/** The management API's view of the configuration in force. */
export function managementOf(loaded: () => LoadedConfig, services: Omit<Management, 'clock' | 'settings'>): Management {
  let seen: LoadedConfig | undefined
  let settings: ManagementSettings | undefined
  return {
    ...services,
    clock: systemClock,
    settings() {
      const current = loaded()
      if (settings === undefined || seen !== current) settings = managementSettings(current)
      seen = current
      return settings
    },
  }
}

/** Undefined: keys are not rotated by themselves. */
export async function startKeyRotation(
  management: Management,
  { env }: LoadedConfig,
): Promise<KeyRotation | undefined> {
  const settings = rotationSettings(env)
  if (settings === undefined) return undefined
  const { governance, clock, log } = management
  // Loaded only where it runs: what manages keys takes its time to load.
  const { Keys } = await import('../governance/management/keys/keys.ts')
  const rotation = new KeyRotation({ keys: new Keys(management), state: governance.state, clock, log, ...settings })
  rotation.start()
  return rotation
}

function managementSettings({ config }: LoadedConfig): ManagementSettings {
  const { litellm_settings: litellm } = config
  return {
    defaultKeyParams: {
      ...(litellm.default_soft_budget === undefined ? {} : { soft_budget: litellm.default_soft_budget }),
      ...litellm.default_key_generate_params,
    },
    upperKeyParams: litellm.upperbound_key_generate_params,
    keyGeneration: litellm.key_generation_settings,
    keysNeedTeam: config.general_settings.default_team_disabled === true,
    defaultUserParams: litellm.default_internal_user_params,
    defaultTeamParams: litellm.default_team_params,
    calendar: compileEnforcement(config).calendar,
  }
}

/** Vendor credentials are encrypted under the salt key; as in LiteLLM the master key takes its place where none is set. */
export function cipherOf({ config, env }: LoadedConfig, masterKey: Secret): Cipher {
  const previous = (env['ROUTEIQ_PREVIOUS_SALT_KEYS'] ?? '').split(',').filter(key => key !== '')
  const current = secretOf(env['LITELLM_SALT_KEY']) ?? config.general_settings.master_key ?? masterKey
  return new Cipher(
    current,
    previous.map(key => new Secret(key)),
  )
}

/** A refused management call, on the record; the log folds floods. */
export function recordDenial(
  { audit }: RunningGovernance,
  principal: Principal,
  address: string,
  route: GuardedRoute,
  reason: string,
): void {
  const path = route.paths[0] ?? ''
  void audit.log
    .record({
      actor: {
        name: principal.userId ?? `key:${principal.keyAlias ?? principal.keyHash}`,
        token: principal.token,
        address,
      },
      action: 'denied',
      objectKind: 'route',
      objectId: path,
      details: { route: path, reason, role: principal.role },
    })
    .catch(() => undefined)
}

/** Where this gateway keeps its objects and books. */
export function storeOptions(loaded: LoadedConfig, directory: string, inMemory: boolean): StoreOptions {
  const { general_settings: general } = loaded.config
  const url = general.database_url ?? secretOf(loaded.env['DATABASE_URL'])
  if (url !== undefined) {
    return {
      kind: 'postgres',
      url,
      poolSize: general.database_connection_pool_limit,
      connectTimeoutMs: milliseconds(general.database_connection_timeout),
      statementTimeoutMs: milliseconds(general.database_statement_timeout),
      lockTimeoutMs: milliseconds(general.database_lock_timeout),
      socketTimeoutMs: milliseconds(general.database_socket_timeout),
      unreachableAtStart: 'carry_on',
    }
  }
  return inMemory ? { kind: 'memory' } : { kind: 'sqlite', path: join(directory, 'routeiq.db') }
}

/** The last step of an end: what goes wrong now has nobody left to tell. */
const closeStore = (store: Store): Promise<void> => store.close().catch(() => undefined)

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)
const secretOf = (text: string | undefined): Secret | undefined =>
  text === undefined || text === '' ? undefined : new Secret(text)
const milliseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000
