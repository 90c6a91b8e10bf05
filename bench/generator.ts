/**
 * The load generator of the open loop (and of the closed one where `wrk` is missing): one process, raw sockets with
 * keep-alive, so that its own share of the latency is small and equal for every subject.
 * Open loop: request k is due at start + k / rate, and its latency counts from that moment even when it could only be
 * sent later; a stalled subject therefore shows its whole delay (no coordinated omission).
 */
import { connect, type Socket } from 'node:net'
import type { GeneratorJob, GeneratorResult } from './closed-loop.ts'

const job = JSON.parse(process.argv[2] ?? '{}') as GeneratorJob
const head = [
  'POST /v1/chat/completions HTTP/1.1',
  `host: ${job.host}:${job.port}`,
  ...Object.entries(job.headers).map(([name, value]) => `${name}: ${value}`),
  `content-length: ${Buffer.byteLength(job.body)}`,
]
const payload = Buffer.from(`${head.join('\r\n')}\r\n\r\n${job.body}`)
const chunkedEnd = Buffer.from('0\r\n\r\n')
const latencies: number[] = []
let errors = 0
let done = 0

class Connection {
  #socket: Socket | undefined
  #pending: Buffer = Buffer.alloc(0)
  #expected = -1
  #status = 0
  #due = 0
  readonly #idle: (connection: Connection) => void

  constructor(idle: (connection: Connection) => void) {
    this.#idle = idle
  }

  send(due: number): void {
    this.#due = due
    if (this.#socket === undefined) this.#open()
    this.#socket?.write(payload)
  }

  close(): void {
    this.#socket?.destroy()
  }

  #open(): void {
    const socket = connect({ host: job.host, port: job.port, noDelay: true })
    this.#socket = socket
    socket.on('data', chunk => this.#read(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      if (this.#due > 0) this.#finish(false)
    })
  }

  #read(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    if (this.#expected < 0) {
      const end = this.#pending.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = this.#pending.toString('latin1', 0, end)
      this.#status = Number(text.slice(9, 12))
      const length = /\r\ncontent-length: *(\d+)/i.exec(text)
      this.#expected = length === null ? 0 : end + 4 + Number(length[1])
    }
    const bytes = this.#pending
    const whole = this.#expected > 0 ? bytes.length >= this.#expected : bytes.subarray(-5).equals(chunkedEnd)
    if (whole) this.#finish(this.#status === 200)
  }

  #finish(good: boolean): void {
    if (good) {
      done++
      latencies.push(performance.now() - this.#due)
    } else errors++
    this.#pending = Buffer.alloc(0)
    this.#expected = -1
    this.#due = 0
    this.#idle(this)
  }
}

async function openLoop(rate: number): Promise<number> {
  const idle: Connection[] = []
  const all: Connection[] = []
  const start = performance.now() + 20
  const total = Math.floor(job.seconds * rate)
  let sent = 0
  const take = (): Connection | undefined => {
    const free = idle.pop()
    if (free !== undefined || all.length >= 512) return free
    const fresh = new Connection(connection => idle.push(connection))
    all.push(fresh)
    return fresh
  }
  await new Promise<void>(resolve => {
    const step = (): void => {
      const now = performance.now()
      while (sent < total && now >= start + (sent * 1000) / rate) {
        const connection = take()
        if (connection === undefined) break
        connection.send(start + (sent * 1000) / rate)
        sent++
      }
      if (sent === total) {
        resolve()
        return
      }
      // Timers are a millisecond coarse: sleep while far, spin through the event loop when near.
      const wait = start + (sent * 1000) / rate - performance.now()
      if (wait > 1.5) setTimeout(step, 1)
      else setImmediate(step)
    }
    step()
  })
  const deadline = performance.now() + 5000
  while (done + errors < total && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5))
  errors += Math.max(0, total - done - errors)
  for (const connection of all) connection.close()
  return job.seconds
}

async function closedLoop(connections: number): Promise<number> {
  const started = performance.now()
  const until = started + job.seconds * 1000
  const all: Connection[] = []
  await new Promise<void>(resolve => {
    let busy = connections
    const next = (connection: Connection): void => {
      const now = performance.now()
      if (now < until) connection.send(now)
      else if (--busy === 0) resolve()
    }
    for (let index = 0; index < connections; index++) {
      const connection = new Connection(next)
      all.push(connection)
      connection.send(performance.now())
    }
  })
  for (const connection of all) connection.close()
  return (performance.now() - started) / 1000
}

const seconds = job.rate === undefined ? await closedLoop(job.connections ?? 16) : await openLoop(job.rate)
latencies.sort((a, b) => a - b)
const at = (share: number): number =>
  latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
const result: GeneratorResult = {
  requestsPerSecond: done / seconds,
  errors,
  p50: at(0.5),
  p99: at(0.99),
  p999: at(0.999),
  max: latencies.at(-1) ?? Number.NaN,
}
process.stdout.write(JSON.stringify(result))
