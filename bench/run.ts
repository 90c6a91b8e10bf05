/**
 * `npm run bench [-- --quick] [-- --only gateway,bare-relay] [-- --soak 10]`: measures this gateway beside its yardsticks
 * in one run on one machine and prints ratios. See `docs/benchmark.md`.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { nodePath, root } from '../test/harness/gateway.ts'
import { closedLoop, loadJob, runGenerator } from './closed-loop.ts'
import { type CoreLayout, coreLayout, cpuSeconds, describeMachine } from './machine.ts'
import { freePort, hasCommand, type Program, startProgram, untilServed } from './program.ts'
import { type Measurements, type Results, renderTable, verdicts } from './report.ts'
import { measureScaling, type Scaling } from './scaling.ts'
import { soak } from './soak.ts'
import {
  requestBody,
  Skipped,
  type Subject,
  type SubjectContext,
  type SubjectId,
  startSubject,
  subjectNames,
} from './subjects.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    soak: { type: 'string' },
    seconds: { type: 'string' },
    repetitions: { type: 'string' },
    rate: { type: 'string', default: '500' },
    sources: { type: 'boolean', default: false },
  },
})

const order: SubjectId[] = [
  'direct',
  'nginx',
  'bare-relay',
  'gateway',
  'four-models',
  'routeiq-auto',
  'governed',
  'governed-redis',
  'gateway-2',
  'portkey',
  'portkey-streams',
]
/** A gateway's code is compiled by what it serves, the dearest parts last. */
const warmUpSeconds = values.quick ? 2 : 8
/** Before each plain slice, not counted: the machine, and V8, were with others meanwhile. */
const leadInSeconds = values.quick ? 0 : 2
/** `routeiq.release_memory_after_seconds` and a little. */
const restSeconds = values.quick ? 0 : 130
const settings = {
  seconds: Number(values.seconds ?? (values.quick ? 2 : 4)),
  repetitions: Number(values.repetitions ?? (values.quick ? 1 : 3)),
  chunks: 100,
  plainConnections: 32,
  streamConnections: 16,
  rate: Number(values.rate),
  generator: hasCommand('wrk') ? 'wrk' : 'bench/generator.ts',
  bodyBytes: requestBody(false).length,
  loadAverageBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
}

const layout = coreLayout()
const folder = mkdtempSync(join(tmpdir(), 'routeiq-bench-'))
const running: (Subject | Program)[] = []

async function main(): Promise<void> {
  if (!hasCommand('taskset'))
    throw new Error('taskset is missing: the comparison needs pinned cores (Debian: apt-get install util-linux)')
  if (!values.sources) buildGateway()
  const busy = loadavg()[0] ?? 0
  if (busy > 0.5) note(`the machine is busy (load ${busy.toFixed(1)}): numbers will be noisy, ratios may mislead`)
  const { context, mock } = await startMock()
  try {
    if (values.soak === undefined) await compare(context, mock)
    else await runSoak(context, Number(values.soak))
  } finally {
    await Promise.all(running.map(entry => ('program' in entry ? endSubject(entry) : (entry as Program).stop())))
    rmSync(folder, { recursive: true, force: true })
  }
}

function buildGateway(): void {
  try {
    execFileSync('npm', ['run', '-s', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  } catch {
    note('`npm run build` reported errors; measuring what it wrote')
  }
}

async function startMock(): Promise<{ context: SubjectContext; mock: Program }> {
  const port = await freePort()
  const script = join(root, 'test/upstream/main.ts')
  const command = [nodePath(), script, '--fast', '--port', String(port), '--chunks', String(settings.chunks)]
  const mock = startProgram(command, { cores: layout.load, folder, name: 'mock' })
  running.push(mock)
  const upstream = `http://127.0.0.1:${port}`
  await untilServed(async () => (await fetch(upstream, { method: 'POST', body: '{}' })).ok, 10_000)
  return { context: { upstream, folder, layout, sources: values.sources }, mock }
}

async function compare(context: SubjectContext, mock: Program): Promise<void> {
  const wanted = values.only?.split(',') ?? order
  const measured = new Map<SubjectId, Measurements>()
  const subjects: Subject[] = []
  for (const id of order.filter(entry => wanted.includes(entry))) {
    const empty = {
      plainPerSecond: [],
      chunksPerSecond: [],
      cpuMicrosPerRequest: [],
      p50: [],
      p99: [],
      coldStartMs: [],
    }
    const row: Measurements = {
      id,
      name: subjectNames[id],
      ...empty,
      errors: 0,
      rssAfterMiB: undefined,
      rssAtRestMiB: undefined,
    }
    try {
      if (id !== 'direct') row.coldStartMs.push(...(await coldStarts(id, context)))
      const subject = await startSubject(id, context)
      running.push(subject)
      subjects.push(subject)
      if (subject.streamDefect !== undefined) note(`${subject.name}: ${subject.streamDefect}`)
      measured.set(id, row)
    } catch (error) {
      if (!(error instanceof Skipped)) throw error
      measured.set(id, { ...row, skipped: error.message })
      note(`${subjectNames[id]}: skipped: ${error.message}`)
    }
  }
  for (const subject of subjects) await warmUp(subject)
  // A B A B: slow changes of the machine reach every subject alike.
  for (let repetition = 0; repetition < settings.repetitions; repetition++) {
    for (const subject of subjects) await measure(subject, measured.get(subject.id)!, layout)
    note(`repetition ${repetition + 1} of ${settings.repetitions} done`)
  }
  for (const subject of subjects) {
    const program = subject.program ?? mock
    measured.get(subject.id)!.rssAfterMiB = program.rss() / 2 ** 20
  }
  if (restSeconds > 0) {
    note(`${restSeconds} s without calls: what memory is given back`)
    await sleep(restSeconds * 1000)
    for (const subject of subjects) {
      measured.get(subject.id)!.rssAtRestMiB = (subject.program ?? mock).rss() / 2 ** 20
    }
  }
  const list = order.map(id => measured.get(id)).filter(row => row !== undefined)
  const scaling = wanted.includes('gateway-2') && !layout.twoIsAlone ? await scale(context) : undefined
  const results: Results = { machine: describeMachine(layout), settings, subjects: list, scaling }
  console.log(`\n${renderTable(results)}\n`)
  if (!layout.twoIsAlone && measured.has('gateway-2')) {
    console.log(
      'The two-worker row shares a core with generator and mock on this machine: its throughput is a lower bound; compare CPU µs/req.',
    )
  }
  console.log(verdicts(results).join('\n'))
  writeResults(values.quick ? 'quick' : 'full', results)
}

/** With two cores the load needs one of them, so the effect of a second worker is measured with capped processes. */
async function scale(context: SubjectContext): Promise<Scaling | undefined> {
  const scaling = await measureScaling(context, {
    seconds: settings.seconds,
    repetitions: values.quick ? 1 : settings.repetitions + 2,
  })
  if (scaling === undefined) note('workers not compared: processes cannot be held to a share of a core here (cgroups)')
  return scaling
}

/** Unpinned: from the command to the first answered chat request. */
async function coldStarts(id: SubjectId, context: SubjectContext): Promise<number[]> {
  const times: number[] = []
  const own = id === 'gateway' || id === 'gateway-2' || id === 'governed'
  for (let run = 0; run < (own && !values.quick ? 3 : 1); run++) {
    const subject = await startSubject(id, context, layout.two)
    await endSubject(subject)
    if (subject.coldStart !== undefined) times.push(subject.coldStart)
  }
  return times
}

async function endSubject(subject: Subject): Promise<void> {
  await subject.program?.stop()
  await subject.release?.()
}

async function warmUp(subject: Subject): Promise<void> {
  const job = { connections: 16, cores: layout.load, folder }
  await closedLoop(subject, { ...job, seconds: 1, stream: true })
  await closedLoop(subject, { ...job, seconds: warmUpSeconds, stream: false })
}

async function measure(subject: Subject, row: Measurements, cores: CoreLayout): Promise<void> {
  const { seconds, plainConnections: connections } = settings
  if (leadInSeconds > 0) {
    await closedLoop(subject, { seconds: leadInSeconds, connections, stream: false, cores: cores.load, folder })
  }
  const pids = subject.program?.pids() ?? []
  const before = cpuSeconds(pids)
  const plain = await closedLoop(subject, {
    seconds,
    connections,
    stream: false,
    cores: cores.load,
    folder,
  })
  const spent = cpuSeconds(pids) - before
  row.plainPerSecond.push(plain.requestsPerSecond)
  row.cpuMicrosPerRequest.push((spent * 1e6) / (plain.requestsPerSecond * seconds))
  if (subject.streamDefect === undefined) {
    const stream = await closedLoop(subject, {
      seconds,
      connections: settings.streamConnections,
      stream: true,
      cores: cores.load,
      folder,
    })
    row.chunksPerSecond.push(stream.requestsPerSecond * settings.chunks)
    row.errors += stream.errors
  }
  const open = await runGenerator({ ...loadJob(subject, false, seconds), rate: settings.rate }, cores.load)
  row.p50.push(open.p50)
  row.p99.push(open.p99)
  row.errors += plain.errors + open.errors
}

async function runSoak(context: SubjectContext, minutes: number): Promise<void> {
  const subject = await startSubject('gateway', context)
  running.push(subject)
  const result = await soak(subject, minutes, layout, folder)
  console.log(
    `slope over the second half: ${result.slopeMiBPerMinute.toFixed(2)} MiB per minute; errors ${result.errors}`,
  )
  await sleep(restSeconds * 1000)
  const rssAtRestMiB = (subject.program?.rss() ?? 0) / 2 ** 20
  console.log(`${restSeconds} s later ${rssAtRestMiB.toFixed(1)} MiB`)
  writeResults('soak', { machine: describeMachine(layout), minutes, ...result, rssAtRestMiB })
}

function writeResults(kind: string, results: object): void {
  const target = join(root, 'bench/results')
  mkdirSync(target, { recursive: true })
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '')
  writeFileSync(join(target, `${stamp}-${kind}.json`), `${JSON.stringify(results, undefined, 2)}\n`)
  note(`raw results: bench/results/${stamp}-${kind}.json`)
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

await main()
