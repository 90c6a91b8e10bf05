import { childrenOf } from '../test/harness/resident-memory.ts'
import { closedLoop } from './closed-loop.ts'
import { type CpuCap, capCpu } from './cpu-cap.ts'
import { type SubjectContext, type SubjectId, startSubject } from './subjects.ts'

export interface Scaling {
  /** Share of a core each serving process was held to. */
  readonly share: number
  readonly one: readonly number[]
  readonly two: readonly number[]
}

const share = 0.35

/**
 * One worker against two on a machine whose second core the load generator needs: every serving process is held to the
 * same small share of a core, so that two of them leave room for the load.
 * @returns undefined where processes cannot be capped.
 */
export async function measureScaling(
  context: SubjectContext,
  options: { seconds: number; repetitions: number },
): Promise<Scaling | undefined> {
  const one: number[] = []
  const two: number[] = []
  for (let repetition = 0; repetition < options.repetitions; repetition++) {
    for (const [id, results] of [
      ['gateway', one],
      ['gateway-2', two],
    ] as const) {
      const rate = await capped(id, context, options.seconds)
      if (rate === undefined) return undefined
      results.push(rate)
    }
  }
  return { share, one, two }
}

async function capped(id: SubjectId, context: SubjectContext, seconds: number): Promise<number | undefined> {
  const subject = await startSubject(id, context, context.layout.two)
  const caps: CpuCap[] = []
  try {
    const main = subject.program?.pid ?? 0
    const serving = id === 'gateway' ? [main] : childrenOf(main)
    for (const pid of serving) {
      const cap = capCpu(`routeiq-bench-${pid}`, [pid], share)
      if (cap === undefined) return undefined
      caps.push(cap)
    }
    const load = { connections: 32, stream: false, cores: context.layout.load, folder: context.folder }
    await closedLoop(subject, { ...load, seconds: 1 })
    return (await closedLoop(subject, { ...load, seconds })).requestsPerSecond
  } finally {
    await subject.program?.stop()
    for (const cap of caps) cap.remove()
  }
}
