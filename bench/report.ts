import type { Machine } from './machine.ts'
import type { Scaling } from './scaling.ts'
import type { SubjectId } from './subjects.ts'

/** Everything measured of one subject; one entry per repetition. */
export interface Measurements {
  readonly id: SubjectId
  readonly name: string
  readonly skipped?: string
  readonly plainPerSecond: number[]
  readonly chunksPerSecond: number[]
  /** Processor microseconds the subject spent per plain request. */
  readonly cpuMicrosPerRequest: number[]
  readonly p50: number[]
  readonly p99: number[]
  readonly coldStartMs: number[]
  errors: number
  /** When all load has ended. */
  rssAfterMiB: number | undefined
  /** Two minutes later. */
  rssAtRestMiB: number | undefined
}

export interface Results {
  readonly machine: Machine
  readonly settings: Readonly<Record<string, unknown>>
  readonly subjects: Measurements[]
  /** One against two workers, each held to the same share of a core; only where cores are short. */
  readonly scaling?: Scaling | undefined
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The table a reader sees: absolute numbers, and ratios to the bare relay and to Portkey of the same run. */
export function renderTable(results: Results): string {
  const find = (id: SubjectId): Measurements | undefined =>
    results.subjects.find(subject => subject.id === id && subject.skipped === undefined)
  const direct = find('direct')
  const relay = find('bare-relay')
  const portkey = find('portkey')
  const portkeyStreams = find('portkey-streams')
  const header = [
    '',
    'req/s',
    '× relay',
    '× Portkey',
    'chunks/s',
    '× relay',
    '× Portkey',
    'CPU µs/req',
    'relay ÷',
    'p50 +ms',
    'p99 +ms',
    'RSS MiB',
    'at rest',
    'cold ms',
    'errors',
  ]
  const rows = results.subjects
    .filter(subject => subject.skipped === undefined)
    .map(subject => {
      const plain = median(subject.plainPerSecond)
      const chunks = median(subject.chunksPerSecond)
      const own = subject.id === 'direct'
      return [
        subject.name,
        whole(plain),
        ratio(plain, relay?.plainPerSecond),
        ratio(plain, portkey?.plainPerSecond),
        whole(chunks),
        ratio(chunks, relay?.chunksPerSecond),
        ratio(chunks, portkeyStreams?.chunksPerSecond),
        own ? '' : fixed(median(subject.cpuMicrosPerRequest), 1),
        own ? '' : ratio(median(relay?.cpuMicrosPerRequest ?? []), subject.cpuMicrosPerRequest),
        own ? `(${fixed(median(subject.p50), 2)})` : fixed(median(subject.p50) - median(direct?.p50 ?? []), 2),
        own ? `(${fixed(median(subject.p99), 2)})` : fixed(median(subject.p99) - median(direct?.p99 ?? []), 2),
        fixed(subject.rssAfterMiB ?? Number.NaN, 0),
        fixed(subject.rssAtRestMiB ?? Number.NaN, 0),
        own ? '' : whole(median(subject.coldStartMs)),
        String(subject.errors),
      ]
    })
  const skipped = results.subjects
    .filter(subject => subject.skipped !== undefined)
    .map(subject => `skipped: ${subject.name}: ${subject.skipped}`)
  const settings = Object.entries(results.settings).map(([name, value]) => `${name} ${String(value)}`)
  const { machine } = results
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.date}`,
    machine.layout,
    settings.join(', '),
    '',
    ...alignColumns([header, ...rows]),
    '',
    'Medians over the repetitions. "+ms" is latency above the direct row at the fixed arrival rate, from the intended start.',
    ...skipped,
  ].join('\n')
}

function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–'
}

function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

function ratio(value: number, base: readonly number[] | undefined): string {
  const divisor = median(base ?? [])
  return Number.isFinite(divisor) && divisor > 0 ? (value / divisor).toFixed(2) : '–'
}

function alignColumns(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  )
}

/** The goals of the spine that a run can judge. */
export function verdicts(results: Results): string[] {
  const of = (id: SubjectId): Measurements | undefined =>
    results.subjects.find(subject => subject.id === id && subject.skipped === undefined)
  const gateway = of('gateway')
  const relay = of('bare-relay')
  const direct = of('direct')
  const portkey = of('portkey')
  const two = of('gateway-2')
  if (gateway === undefined) return ['the gateway was not measured']
  const lines: string[] = []
  const judge = (text: string, value: number, limit: number, atLeast: boolean): void => {
    if (!Number.isFinite(value)) return
    const good = atLeast ? value >= limit : value <= limit
    lines.push(`${good ? 'ok  ' : 'MISS'}  ${text}: ${value.toFixed(2)} (goal ${atLeast ? '≥' : '≤'} ${limit})`)
  }
  const plain = median(gateway.plainPerSecond)
  judge('throughput as a share of the bare relay', plain / median(relay?.plainPerSecond ?? []), 0.6, true)
  judge(
    'throughput as a multiple of Portkey, as npm installs it',
    plain / median(portkey?.plainPerSecond ?? []),
    8,
    true,
  )
  judge(
    'streamed chunks as a share of the bare relay',
    median(gateway.chunksPerSecond) / median(relay?.chunksPerSecond ?? []),
    0.5,
    true,
  )
  judge('added p50 in ms', median(gateway.p50) - median(direct?.p50 ?? []), 0.25, false)
  judge('RSS when the load ends in MiB', gateway.rssAfterMiB ?? Number.NaN, 130, false)
  judge('RSS two minutes after the run in MiB', gateway.rssAtRestMiB ?? Number.NaN, 130, false)
  judge('cold start in ms', median(gateway.coldStartMs), 600, false)
  const learned = of('routeiq-auto')
  const shuffled = of('four-models')
  if (learned !== undefined && shuffled !== undefined) {
    const share = median(learned.plainPerSecond) / median(shuffled.plainPerSecond)
    judge('throughput of routeiq-auto as a share of simple-shuffle, the same models', share, 0.7, true)
    const cpu = median(shuffled.cpuMicrosPerRequest) / median(learned.cpuMicrosPerRequest)
    judge('processor time of simple-shuffle as a share of routeiq-auto, the same models', cpu, 0.7, true)
    judge('errors: routeiq-auto', learned.errors, 0, false)
  }
  for (const id of ['governed', 'governed-redis'] as const) {
    const governed = of(id)
    if (governed === undefined) continue
    const { name, plainPerSecond, cpuMicrosPerRequest, errors } = governed
    const least = id === 'governed' ? 0.5 : 0.4
    // On a machine that does other work only processor time compares: the relay's over the gateway's.
    const cpu = median(relay?.cpuMicrosPerRequest ?? []) / median(cpuMicrosPerRequest)
    judge(
      `throughput as a share of the bare relay: ${name}`,
      median(plainPerSecond) / median(relay?.plainPerSecond ?? []),
      least,
      true,
    )
    judge(`processor time of the bare relay as a share of: ${name}`, cpu, least, true)
    judge(`errors: ${name}`, errors, 0, false)
  }
  const { scaling } = results
  if (scaling === undefined) {
    judge('2 workers as a multiple of 1', median(two?.plainPerSecond ?? []) / plain, 1.7, true)
  } else {
    const capped = `2 workers as a multiple of 1, each held to ${scaling.share} of a core`
    judge(capped, median(scaling.two) / median(scaling.one), 1.7, true)
  }
  judge('errors', gateway.errors, 0, false)
  return lines
}
