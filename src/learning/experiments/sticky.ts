/**
 * Where a key lies in 0..1, evenly spread, and independently for every salt: the same caller is not the first victim of
 * every canary. FNV-1a over both, then MurmurHash3's finalizer, which FNV needs for its upper bits: 0.1 µs.
 */
export function bucketOf(salt: string, key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < salt.length; index++) hash = Math.imul(hash ^ salt.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ 0xff, 0x01000193)
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) / 2 ** 32
}
