import type { Secret } from '../../security/secret.ts'

export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface RedisTls {
  /** PEM certificates that replace the built-in roots. */
  readonly ca?: string | readonly string[] | undefined
  /** PEM client certificate and key. */
  readonly cert?: string | undefined
  readonly key?: Secret | undefined
  /** The name the certificate must be for, where it is not the host. */
  readonly servername?: string | undefined
  /** False accepts any certificate. Default true. */
  readonly rejectUnauthorized?: boolean | undefined
}

/** Where Redis or Valkey is. */
export type RedisPlace =
  | ({ readonly kind: 'standalone' } & RedisNode)
  | { readonly kind: 'socket'; readonly path: string }
  /** Any nodes of the cluster; the others are learned from them. */
  | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  | {
      readonly kind: 'sentinel'
      /** What the sentinels call the primary: `mymaster`. */
      readonly name: string
      readonly nodes: readonly RedisNode[]
      /** Of the sentinels, where they ask for it. */
      readonly username?: string | undefined
      readonly password?: Secret | undefined
    }

export interface RedisOptions {
  readonly place: RedisPlace
  /** Default: the user `default` of Redis. */
  readonly username?: string | undefined
  /** A function is asked at every connect, so a rotated password is picked up. */
  readonly password?: Secret | (() => Promise<Secret>) | undefined
  /** Database number; a cluster has only 0. Default 0. */
  readonly db?: number | undefined
  /** Present: TLS, to sentinels and cluster nodes as well. */
  readonly tls?: RedisTls | undefined
  /** First part of every key and channel, in braces: `{routeiq}`. Deployments that share it share their counters. */
  readonly prefix?: string | undefined
  /** Milliseconds to connect and log in. Default 2,000. */
  readonly connectTimeout?: number | undefined
  /** Milliseconds a command may take before Redis counts as unreachable. Default 1,000: later ones fail at once. */
  readonly commandTimeout?: number | undefined
  /** Settlements kept while Redis is unreachable; beyond it the oldest are dropped. Default 100,000. */
  readonly maxSettlements?: number | undefined
}

export const defaultRedisPort = 6379

/**
 * Options from a URL: `redis://user:password@host:6379/0`, `rediss://…` with TLS, `unix:///path/to/socket`.
 * @throws TypeError that names the fault and not the password
 */
export function redisOptionsOfUrl(text: string, secret: (text: string) => Secret): RedisOptions {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError('the Redis URL is not a URL; it reads like redis://user:password@host:6379/0')
  }
  const { protocol, hostname, port, pathname } = url
  const login = {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: secret(decodeURIComponent(url.password)) }),
  }
  if (protocol === 'unix:') return { place: { kind: 'socket', path: decodeURIComponent(pathname) }, ...login }
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    throw new TypeError(`the Redis URL begins with ${protocol}//; it must be redis://, rediss:// or unix://`)
  }
  const db = pathname.length > 1 ? Number(pathname.slice(1)) : 0
  if (!Number.isInteger(db) || db < 0) throw new TypeError('the path of the Redis URL must be a database number')
  return {
    place: {
      kind: 'standalone',
      // An IPv6 address stands in brackets in a URL only.
      host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
      port: port === '' ? defaultRedisPort : Number(port),
    },
    ...login,
    db,
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  }
}
