import type { FastifyInstance } from 'fastify'
import type { SpendSource } from '../governance/limits/spend-source.ts'
import { Gateway } from '../pipeline/gateway.ts'
import { Authenticator } from '../pipeline/identity/authenticator.ts'
import { compileSnapshot } from '../pipeline/snapshot.ts'
import { systemClock } from '../platform/clock.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import type { Secrets } from '../platform/secrets/secrets.ts'
import { DenialLog } from '../platform/security/egress-denials.ts'
import { EgressDoors } from '../platform/security/egress-doors.ts'
import type { Secret } from '../platform/security/secret.ts'
import type { MessagePort } from '../platform/shared-state/fleet/messages.ts'
import { StoreUnavailable } from '../platform/store/store.ts'
import { GatewayMetrics } from '../platform/telemetry/gateway-metrics.ts'
import { createLogger, flushLogs, type LogLevel } from '../platform/telemetry/logger.ts'
import { type DemoServer, startDemoServer } from '../providers/demo/server.ts'
import type { Fleet } from '../surfaces/fleet.ts'
import { createServer } from '../surfaces/server.ts'
import { openAccessControl } from './access.ts'
import type { ServeOptions } from './arguments.ts'
import { announceFirstRun, authenticationConfig, startAuthentication } from './authentication.ts'
import { coalesce } from './coalesce.ts'
import { type ConfigSource, type ConfigTexts, load, loadTexts } from './config-source.ts'
import { DatabaseModels, modelCheck, settingsCheck } from './database-models.ts'
import {
  cipherOf,
  managementOf,
  openGovernance,
  type RunningGovernance,
  recordDenial,
  startKeyRotation,
} from './governance.ts'
import { applyLearned, learnedServices, loadCustomRouters } from './learned.ts'
import { openLoop, type RunningLoop } from './learning.ts'
import { Reloader } from './reloader.ts'
import { watchSecrets } from './secrets.ts'
import { snapshotServices } from './services.ts'
import { openState } from './shared-state.ts'
import { SpareMemory } from './spare-memory.ts'

/** One running gateway process: services, server, and how to end it. */
export interface Runtime {
  readonly gateway: Gateway
  readonly app: FastifyInstance
  readonly reloader: Reloader
  readonly secrets: Secrets
  /** Lets calls in flight finish, up to the configured time, then ends everything. */
  close(): Promise<void>
}

/** A configuration that was read and judged elsewhere. */
export interface GivenConfig {
  readonly texts: ConfigTexts
  readonly version: number
}

/**
 * Loads the config and builds the process around it. Nothing listens yet.
 * @param given taken in place of what is on disk
 * @param primary the way to the process whose memory the workers share
 * @throws GatewayError `config_invalid`.
 */
export async function createRuntime(
  options: ServeOptions,
  masterKey: Secret,
  fleetOf: (local: Fleet, gateway: Gateway) => Fleet,
  given?: GivenConfig,
  primary?: MessagePort,
): Promise<Runtime> {
  const { secrets, announce } = watchSecrets()
  const source: ConfigSource = { path: options.configPath, strict: options.strict, secrets }
  const loaded = await (given === undefined ? load(source) : loadTexts(source, given.texts))
  // Started with every gateway, so that a reload may bring demo models in; it costs one idle listener on loopback.
  const demo: DemoServer = await startDemoServer()
  const log = createLogger({ level: logLevel(loaded, options), format: logFormat(loaded) })
  const metrics = new GatewayMetrics()
  // The books are opened below, with what this configuration says of them; counters ask them only when calls come.
  let running: RunningGovernance | undefined
  const spend: SpendSource = {
    spent: (rule, since) =>
      running === undefined ? Promise.reject(new StoreUnavailable('not open yet')) : running.spend.spent(rule, since),
    started: counter => running?.reservations.repair.watch(counter),
  }
  const learned = learnedServices(metrics.registry, log)
  const services = snapshotServices(masterKey, demo.origin, {
    spend,
    learned,
    onCooldown({ deployment, state, cause, kind, duration }) {
      if (state === 'open') metrics.of(deployment).cooledDown()
      log.info(
        { deployment: deployment.id, group: deployment.group, state, cause, kind, duration_ms: duration },
        'cooldown',
      )
    },
  })
  await loadCustomRouters(learned, loaded, options.configPath)
  const snapshot = compileSnapshot(loaded, given?.version ?? 1, services)
  loaded.secrets?.adopt()
  const denials = new DenialLog({
    onDenial: ({ purpose, kind }) => metrics.egressDenied(kind, purpose),
    onNews: ({ purpose, host, port, kind }, repeated) =>
      log.warn({ purpose, host, port, address: kind, repeated }, 'outbound connection refused'),
  })
  const doors = new EgressDoors(snapshot.egress, { denials })
  const { live, cooldown } = services.routing
  const state = await openState(loaded, primary, log)
  const governed = await openGovernance({
    loaded,
    configPath: options.configPath,
    shared: options.workers > 1,
    state,
    outbound: doors,
    registry: metrics.registry,
    clock: systemClock,
    log,
    calendar: () => gateway.snapshot.governed.enforcement.calendar,
    served: (group, model) => gateway.snapshot.router.index.servedNames(group, model),
  })
  running = governed
  const authentication = await startAuthentication(loaded, options.configPath, {
    governed,
    outbound: doors,
    clock: systemClock,
    snapshot: () => gateway.snapshot,
  })
  const authenticator = new Authenticator(governed.governance.principals, systemClock, [authentication])
  const access = await openAccessControl({
    governance: governed.governance,
    clock: systemClock,
    registry: metrics.registry,
    log,
    interval: loaded.config.general_settings.proxy_config_reload_interval_seconds * 1000,
  })
  const gateway = new Gateway(
    {
      doors,
      live,
      cooldown,
      metrics,
      log,
      authenticator,
      ledger: governed.ledger,
      reservations: governed.reservations,
      learned,
      access,
    },
    snapshot,
  )
  if (!loaded.config.general_settings.disable_reset_budget) governed.budgetReset.start()
  gateway.onDenied = (principal, address, route, reason) => recordDenial(governed, principal, address, route, reason)
  const cipher = cipherOf(loaded, masterKey)
  const databaseModels = new DatabaseModels(governed.governance.store, cipher, log)
  const management = managementOf(() => gateway.snapshot.loaded, {
    governance: governed.governance,
    cipher,
    checkModel: modelCheck(() => reloader.base, services),
    checkConfig: settingsCheck(() => reloader.base, services),
    refresh: () => refreshModels(),
    keyStore: secrets,
    log,
  })
  const loop = await openLoop({
    management,
    store: governed.governance.store,
    state,
    clock: systemClock,
    log,
    registry: metrics.registry,
    snapshot: () => gateway.snapshot,
  })
  learned.loop = loop.of(loaded)
  applyLearned(learned, loaded, options.configPath)
  const rotation = await startKeyRotation(management, loaded)
  for (const warning of [...snapshot.warnings, ...authentication.warnings]) log.warn(warning)
  const reloader = new Reloader(
    gateway,
    source,
    services,
    databaseModels,
    loaded,
    applied => {
      log.level = logLevel(applied, options)
      learned.loop = loop.of(applied)
      applyLearned(learned, applied, options.configPath)
    },
    async next => {
      await loadCustomRouters(learned, next, options.configPath)
      const prepared = await authentication.prepare(authenticationConfig(next, options.configPath))
      return () => authentication.adopt(prepared)
    },
  )
  const refreshModels = coalesce(() => reloader.refreshModels())
  const ofDatabase: ReadonlySet<string> = new Set(['models', 'settings', 'all'])
  governed.governance.onNotice(({ kind }) => void (ofDatabase.has(kind) ? refreshModels() : undefined))
  // Messages may be lost; what is in the database is looked at now and then anyway.
  const models = setInterval(refreshModels, loaded.config.general_settings.proxy_config_reload_interval_seconds * 1000)
  models.unref()
  await reloader.refreshModels()
  const local: Fleet = {
    reload: () => reloader.reload(),
    metrics: async () => metrics.render(),
    egressDenials: async () => denials.list(),
    secrets: async () => secrets.status(),
    artifacts: async () => learned.artifacts.status(),
    explain: async (id, keyHash) => gateway.explain.find(id, keyHash),
  }
  const fleet = fleetOf(local, gateway)
  announce(log, metrics.registry, denials, () => void fleet.reload().catch(() => undefined))
  const spare = new SpareMemory({
    after: () => gateway.snapshot.loaded.config.routeiq.release_memory_after_seconds * 1000,
    calls: () => governed.ledger.appended,
    inFlight: () => gateway.admission.inFlight,
    log,
  })
  spare.start()
  const app = createServer({ gateway, fleet, management, authentication, loop: loop.services }, options.rootPath)
  if (options.configPath !== undefined) await announceFirstRun(authentication)
  let closing: Promise<void> | undefined
  return {
    gateway,
    app,
    reloader,
    secrets,
    close() {
      rotation?.close()
      spare.close()
      closing ??= shutDown(gateway, governed, loop, doors, app, demo).then(async () => {
        authentication.close()
        await Promise.all([secrets.close(), learned.close()])
      })
      return closing
    },
  }
}

/** Milliseconds to bring the books into the store at the end; what is left is on disk for the next start. */
const bookTime = 3000

async function shutDown(
  gateway: Gateway,
  running: RunningGovernance,
  loop: RunningLoop,
  doors: EgressDoors,
  app: FastifyInstance,
  demo: DemoServer,
): Promise<void> {
  gateway.drain()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, gateway.snapshot.shutdownTimeout)
  })
  // Stops accepting at once; resolves when the calls in flight have been answered.
  await Promise.race([app.close(), late])
  clearTimeout(timer)
  app.server.closeAllConnections()
  await loop.close()
  await running.close(bookTime)
  await doors.destroy()
  await demo.close()
  await flushLogs(gateway.log)
}

function logLevel({ config }: LoadedConfig, options: ServeOptions): LogLevel {
  if (options.debug) return 'debug'
  const level = config.routeiq.log_level
  return level === 'info' && config.litellm_settings.set_verbose ? 'debug' : level
}

/** JSON for machines, text for a terminal. */
function logFormat({ config }: LoadedConfig): 'json' | 'text' {
  return (config.litellm_settings.json_logs ?? !process.stdout.isTTY) ? 'json' : 'text'
}
