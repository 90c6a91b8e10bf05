import type { LoadedConfig } from '../platform/config/load.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { Secret } from '../platform/security/secret.ts'
import type { MessagePort } from '../platform/shared-state/fleet/messages.ts'
import { openSharedState } from '../platform/shared-state/open.ts'
import {
  defaultRedisPort,
  type RedisNode,
  type RedisOptions,
  redisOptionsOfUrl,
} from '../platform/shared-state/redis/options.ts'
import type { SharedState } from '../platform/shared-state/shared-state.ts'
import type { Logger } from '../platform/telemetry/logger.ts'

/**
 * The state that processes share: Redis where it is configured, else the primary's memory for its workers, else this
 * process alone.
 * @param primary the way to the primary; undefined in a process that has none
 * @throws GatewayError `config_invalid`
 */
export function openState(loaded: LoadedConfig, primary: MessagePort | undefined, log: Logger): Promise<SharedState> {
  const events = {
    dropped: (settles: number) =>
      log.error({ settles }, 'settlements of limits were lost: shared state was away too long'),
    lost: (reason: Error) => log.error({ reason: reason.message }, 'shared state is out of reach'),
    failed: (error: unknown) => log.error({ err: error }, 'unexpected answer from shared state'),
  }
  const redis = redisOptions(loaded)
  if (redis !== undefined) return openSharedState({ kind: 'redis', redis }, events)
  return openSharedState(primary === undefined ? { kind: 'memory' } : { kind: 'fleet', port: primary }, events)
}

/** LiteLLM's `router_settings.redis_*`, else its environment variables. Undefined: no Redis is configured. */
export function redisOptions({ config, env }: LoadedConfig): RedisOptions | undefined {
  const { router_settings: router } = config
  const password = router.redis_password ?? secretOf(env['REDIS_PASSWORD'])
  const login = {
    ...(router.redis_username === undefined
      ? optional('username', env['REDIS_USERNAME'])
      : { username: router.redis_username }),
    ...(password === undefined ? {} : { password }),
    ...optional('prefix', env['REDIS_NAMESPACE']),
  }
  const url = router.redis_url?.reveal() ?? nonEmpty(env['REDIS_URL'])
  if (url !== undefined) {
    try {
      return { ...redisOptionsOfUrl(url, text => new Secret(text)), ...login }
    } catch (error) {
      throw new GatewayError('config_invalid', `redis_url: ${error instanceof Error ? error.message : 'not usable'}`)
    }
  }
  const tls = isTrue(env['REDIS_SSL']) ? { tls: {} } : {}
  const cluster = router.redis_startup_nodes ?? nodesOf(env['REDIS_CLUSTER_NODES'], 'REDIS_CLUSTER_NODES')
  if (cluster !== undefined) return { place: { kind: 'cluster', nodes: cluster }, ...login, ...tls }
  const sentinels = nodesOf(env['REDIS_SENTINEL_NODES'], 'REDIS_SENTINEL_NODES')
  if (sentinels !== undefined) {
    const name = nonEmpty(env['REDIS_SERVICE_NAME']) ?? 'mymaster'
    const sentinelPassword = secretOf(env['REDIS_SENTINEL_PASSWORD'])
    return {
      place: {
        kind: 'sentinel',
        name,
        nodes: sentinels,
        ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      },
      ...login,
      ...tls,
    }
  }
  const host = router.redis_host ?? nonEmpty(env['REDIS_HOST'])
  if (host === undefined) return undefined
  const port = router.redis_port ?? Number(nonEmpty(env['REDIS_PORT']) ?? defaultRedisPort)
  const db = router.redis_db ?? Number(nonEmpty(env['REDIS_DB']) ?? 0)
  return { place: { kind: 'standalone', host, port }, db, ...login, ...tls }
}

/** `[["host", 6379], …]`, as redis-py writes it, or `[{"host": …, "port": …}]`. */
function nodesOf(text: string | undefined, name: string): readonly RedisNode[] | undefined {
  if (nonEmpty(text) === undefined) return undefined
  try {
    const list = JSON.parse(text ?? '') as unknown[]
    return list.map(entry => {
      const [host, port] = Array.isArray(entry)
        ? (entry as unknown[])
        : [(entry as { host?: unknown }).host, (entry as { port?: unknown }).port]
      if (typeof host !== 'string' || !Number.isInteger(Number(port))) throw new TypeError('no host and port')
      return { host, port: Number(port) }
    })
  } catch {
    throw new GatewayError('config_invalid', `${name} must be JSON such as [{"host":"redis-1","port":6379}].`)
  }
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)
const secretOf = (text: string | undefined): Secret | undefined =>
  nonEmpty(text) === undefined ? undefined : new Secret(text ?? '')
const isTrue = (text: string | undefined): boolean => /^(true|1|yes)$/i.test(text ?? '')
const optional = <K extends string>(name: K, text: string | undefined): Partial<Record<K, string>> =>
  nonEmpty(text) === undefined ? {} : ({ [name]: text } as Partial<Record<K, string>>)
