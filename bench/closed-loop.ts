import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodePath, root } from '../test/harness/gateway.ts'
import { hasCommand } from './program.ts'
import { requestBody, type Subject } from './subjects.ts'

const run = promisify(execFile)

export interface ClosedLoopResult {
  readonly generator: 'wrk' | 'node'
  readonly requestsPerSecond: number
  readonly errors: number
}

export interface LoadOptions {
  readonly seconds: number
  readonly connections: number
  readonly stream: boolean
  readonly cores: string
  readonly folder: string
}

/** As many requests as the subject can take over a fixed number of keep-alive connections. */
export async function closedLoop(subject: Subject, options: LoadOptions): Promise<ClosedLoopResult> {
  return hasCommand('wrk') ? runWrk(subject, options) : runNode(subject, options)
}

async function runWrk(subject: Subject, options: LoadOptions): Promise<ClosedLoopResult> {
  const script = join(options.folder, `${subject.id}-${options.stream ? 'stream' : 'plain'}.lua`)
  const headers = Object.entries(subject.headers).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  )
  writeFileSync(
    script,
    ['wrk.method = "POST"', `wrk.body = ${JSON.stringify(requestBody(options.stream))}`, ...headers].join('\n'),
  )
  const args = ['-t1', `-c${options.connections}`, `-d${options.seconds}s`, '--timeout', '10s', '-s', script]
  const { stdout } = await run('taskset', ['-c', options.cores, 'wrk', ...args, `${subject.url}/v1/chat/completions`])
  const count = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(stdout)
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)
  const socketErrors = (socket?.slice(1) ?? []).reduce((sum, entry) => sum + Number(entry), 0)
  if (count === null) throw new Error(`wrk said nothing readable: ${stdout.slice(0, 300)}`)
  // Refusals are fast: counted as answers they would flatter whoever fails.
  return { generator: 'wrk', requestsPerSecond: (Number(count[1]) - bad) / options.seconds, errors: bad + socketErrors }
}

async function runNode(subject: Subject, options: LoadOptions): Promise<ClosedLoopResult> {
  const job = { ...loadJob(subject, options.stream, options.seconds), connections: options.connections }
  const result = await runGenerator(job, options.cores)
  return { generator: 'node', requestsPerSecond: result.requestsPerSecond, errors: result.errors }
}

/** What the generator program is told; see `generator.ts`. */
export interface GeneratorJob {
  readonly host: string
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly seconds: number
  /** Closed loop: connections kept busy. */
  readonly connections?: number
  /** Open loop: arrivals per second, whatever the answers do. */
  readonly rate?: number
}

export interface GeneratorResult {
  readonly requestsPerSecond: number
  readonly errors: number
  /** Milliseconds from the intended start, sorted; every request of an open loop. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export function loadJob(subject: Subject, stream: boolean, seconds: number): GeneratorJob {
  const { hostname, port } = new URL(subject.url)
  return { host: hostname, port: Number(port), headers: subject.headers, body: requestBody(stream), seconds }
}

export async function runGenerator(job: GeneratorJob, cores: string): Promise<GeneratorResult> {
  const args = ['-c', cores, nodePath(), join(root, 'bench/generator.ts'), JSON.stringify(job)]
  const { stdout } = await run('taskset', args)
  return JSON.parse(stdout) as GeneratorResult
}
