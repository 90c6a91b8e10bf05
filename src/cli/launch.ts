import { setFlagsFromString } from 'node:v8'

/**
 * Memory settings that can only be given at the start of a process. The program starts itself again with them, in the
 * same process (execve): same id, same terminal, 25 ms later.
 *
 * - `MALLOC_MMAP_THRESHOLD_`: Node reads sockets into 64 KB blocks and shrinks each to what came; V8's compilers work in
 *   blocks of 8 to 32 KB. Cut from glibc's heap, their leftovers do not fit the next block and the heap grows without being
 *   used; mapped, they are given back at once.
 * - `--max-semi-space-size`: the young generation would grow to 3 × 16 MB and more; a gateway's objects die in
 *   milliseconds, so a small one costs little. Threads have limits of their own, over which the flag would win: it is taken
 *   back as soon as this thread has its heap.
 * - `--no-allocation-site-pretenuring`: V8 allocates in the old generation what it has seen survive. On a busy machine
 *   calls pile up for a moment, it learns that from them, and from then on what every call leaves behind (the headers that
 *   undici collects, above all) waits for a full collection: 290–330 MB instead of 200 after 40,000 calls.
 *
 * - `--retain-maps-for-n-gc`: the shapes of objects that no object has at the moment of a full collection (those of request
 *   headers and bodies, when nobody calls) are forgotten after two, and with them goes all compiled code that knew them:
 *   the first seconds after every pause are a quarter dearer, and more.
 *
 * - `--expose-gc`: for `SpareMemory`.
 *
 * Measured with 32 connections (bench, Node 24): 114–126 MB instead of 144–290 MB after 100,000 calls, at the same speed.
 * ADR 0003.
 */
const mallocSetting = 'MALLOC_MMAP_THRESHOLD_'
const mmapThreshold = '8192'
const heapFlags = [
  '--max-semi-space-size=4',
  '--no-allocation-site-pretenuring',
  '--retain-maps-for-n-gc=1000000',
  '--expose-gc',
]

/** Returns when nothing is left to set; otherwise the program begins anew. Linux only; elsewhere it just returns. */
export function applyMemorySettings(): void {
  const { env, execArgv, execPath, argv } = process
  setFlagsFromString('--max-semi-space-size=0')
  const isWorker = env['NODE_UNIQUE_ID'] !== undefined
  if (process.platform !== 'linux' || isWorker || env[mallocSetting] !== undefined) return
  if (typeof process.execve !== 'function') return
  const given = [...execArgv, env['NODE_OPTIONS'] ?? ''].join(' ')
  const missing = heapFlags.filter(flag => !given.includes(flag.replace(/=.*/, '')))
  try {
    process.execve(execPath, [execPath, ...missing, ...execArgv, ...argv.slice(1)], {
      ...env,
      [mallocSetting]: mmapThreshold,
    })
  } catch {
    // Not permitted here (a sandbox): the gateway works the same with more memory.
  }
}
