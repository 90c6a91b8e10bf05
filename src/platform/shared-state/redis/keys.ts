export interface RedisKeys {
  /** In the order the lease script takes them. */
  readonly leases: readonly [counters: string, leases: string, leaseEnds: string, windowEnds: string]
  value(key: string): string
  lock(name: string): string
  channel(name: string): string
  /** What decides on which shard all of it lies. */
  readonly tag: string
}

/**
 * The names in Redis. All carry one hash tag, so that they lie on one shard of a cluster and a script may use them
 * together; an ACL needs `~{routeiq}* &{routeiq}*`.
 * @throws RangeError for a prefix that is no hash tag
 */
export function redisKeys(prefix = 'routeiq'): RedisKeys {
  if (!/^[^{}\s]{1,100}$/.test(prefix)) {
    throw new RangeError('the Redis prefix must be 1 to 100 characters without braces and spaces')
  }
  const tag = `{${prefix}}`
  return {
    leases: [`${tag}:counters`, `${tag}:leases`, `${tag}:lease-ends`, `${tag}:window-ends`],
    value: key => `${tag}:value:${key}`,
    lock: name => `${tag}:lock:${name}`,
    channel: name => `${tag}:channel:${name}`,
    tag,
  }
}
