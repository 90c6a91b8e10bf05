import { setTimeout as sleep } from 'node:timers/promises'
import { closedLoop } from './closed-loop.ts'
import type { CoreLayout } from './machine.ts'
import type { Subject } from './subjects.ts'

export interface SoakSample {
  readonly second: number
  readonly rssMiB: number
  readonly requestsPerSecond: number
  readonly errors: number
}

export interface SoakResult {
  readonly samples: SoakSample[]
  /** MiB per minute over the second half, when caches and heaps have settled. */
  readonly slopeMiBPerMinute: number
  readonly errors: number
}

/** Plain and streamed load in turn for some minutes; memory every 15 seconds. */
export async function soak(subject: Subject, minutes: number, layout: CoreLayout, folder: string): Promise<SoakResult> {
  const samples: SoakSample[] = []
  const started = performance.now()
  let errors = 0
  for (let turn = 0; performance.now() - started < minutes * 60_000; turn++) {
    const options = { seconds: 15, connections: 32, stream: turn % 2 === 1, cores: layout.load, folder }
    const result = await closedLoop(subject, options)
    errors += result.errors
    const second = Math.round((performance.now() - started) / 1000)
    const rssMiB = (subject.program?.rss() ?? 0) / 2 ** 20
    samples.push({ second, rssMiB, requestsPerSecond: result.requestsPerSecond, errors: result.errors })
    const kind = options.stream ? 'streamed' : 'plain'
    const refused = result.errors === 0 ? '' : `, ${result.errors} errors`
    console.log(
      `${String(second).padStart(5)} s  ${rssMiB.toFixed(1).padStart(7)} MiB  ${Math.round(result.requestsPerSecond)} req/s ${kind}${refused}`,
    )
    await sleep(50)
  }
  const half = samples.slice(Math.floor(samples.length / 2))
  return { samples, slopeMiBPerMinute: slope(half.map(sample => [sample.second / 60, sample.rssMiB])), errors }
}

/** Least squares. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const count = points.length
  if (count < 2) return 0
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count
  let above = 0
  let below = 0
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY)
    below += (x - meanX) ** 2
  }
  return below === 0 ? 0 : above / below
}
