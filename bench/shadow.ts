/**
 * `node bench/shadow.ts [--pairs 12000]`: what a shadow artifact and full capture add to a call. Two gateways run side by
 * side; every prompt, a new one each time, goes to both, one after the other, in turns. Printed: the difference of medians
 * and of 99th percentiles, block by block, because a machine has better and worse minutes. Vendors take 10 ms: a shadow is
 * asked while the call is with the vendor, and a vendor without latency would be as good as none.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { nodePath, root } from '../test/harness/gateway.ts'
import { benchArtifact, learnedConfig, otherArtifact, wordsOf } from './learned.ts'
import { coreLayout } from './machine.ts'
import { freePort, type Program, startProgram, untilServed } from './program.ts'
import { median } from './report.ts'

const { values } = parseArgs({ options: { pairs: { type: 'string', default: '12000' } } })
const blockSize = 2000
const blocks = Math.max(1, Math.floor(Number(values.pairs) / blockSize))
const masterKey = 'sk-bench-master'
const layout = coreLayout()
const folder = mkdtempSync(join(tmpdir(), 'routeiq-shadow-'))
const running: Program[] = []

interface Side {
  readonly pool: Pool
  readonly key: string
}

async function api(url: string, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: status ${response.status}: ${text.slice(0, 300)}`)
  return JSON.parse(text) as Record<string, unknown>
}

async function start(name: string, upstream: string, watched: boolean): Promise<Side> {
  const port = await freePort()
  const config = join(folder, `${name}.yaml`)
  writeFileSync(config, learnedConfig(upstream, masterKey, undefined, 'delay=10'))
  const command = [nodePath(), join(root, 'dist/cli/main.js'), '--config', config, '--port', String(port)]
  const env = { ROUTEIQ_DATA_DIR: mkdtempSync(join(folder, `${name}-`)) }
  running.push(startProgram([...command, '--host', '127.0.0.1'], { cores: layout.one, folder, name, env }))
  const url = `http://127.0.0.1:${port}`
  await untilServed(async () => (await fetch(`${url}/health/liveliness`)).ok, 15_000)
  const router = '/v1/routeiq/router'
  const { id } = await api(url, `${router}/artifacts`, { artifact: (await benchArtifact()).toString('base64') })
  await api(url, `${router}/routers/default/activate`, { artifact: id })
  if (watched) {
    const other = await api(url, `${router}/artifacts`, { artifact: (await otherArtifact()).toString('base64') })
    await api(url, `${router}/routers/default/rollout`, { artifact: other['id'], automatic: false, shares: [0, 1] })
  }
  const metadata = watched ? { routeiq_capture: true } : {}
  const { key } = await api(url, '/key/generate', { models: ['gpt-4o-mini'], metadata })
  return { pool: new Pool(url, { connections: 1 }), key: String(key) }
}

const word = wordsOf(7)
/** About two thousand characters that never came before. */
const prompt = (): string => Array.from({ length: 260 }, word).join(' ').slice(0, 2000)

/** @returns milliseconds */
async function ask({ pool, key }: Side, content: string): Promise<number> {
  const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }] })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const started = performance.now()
  const answer = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body })
  await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`)
  return performance.now() - started
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

async function block(plain: Side, watched: Side, pairs: number): Promise<{ p50: number; p99: number }> {
  const times: [number[], number[]] = [[], []]
  for (let pair = 0; pair < pairs; pair++) {
    const content = prompt()
    for (const side of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      times[side].push(await ask(side === 0 ? plain : watched, content))
    }
  }
  const [a, b] = times.map(list => list.sort((x, y) => x - y)) as [number[], number[]]
  return { p50: quantile(b, 0.5) - quantile(a, 0.5), p99: quantile(b, 0.99) - quantile(a, 0.99) }
}

try {
  const port = await freePort()
  const mock = [nodePath(), join(root, 'test/upstream/main.ts'), '--port', String(port)]
  running.push(startProgram(mock, { cores: layout.load, folder, name: 'mock' }))
  const upstream = `http://127.0.0.1:${port}`
  await untilServed(async () => (await fetch(upstream)).status > 0, 10_000)
  const plain = await start('plain', upstream, false)
  const watched = await start('watched', upstream, true)
  await block(plain, watched, blockSize)
  const results: { p50: number; p99: number }[] = []
  for (let at = 0; at < blocks; at++) {
    const result = await block(plain, watched, blockSize)
    results.push(result)
    console.log(`block ${at + 1}: p50 ${result.p50.toFixed(3)} ms, p99 ${result.p99.toFixed(3)} ms added`)
  }
  const p50 = median(results.map(result => result.p50))
  const p99 = median(results.map(result => result.p99))
  console.log(
    `median of ${blocks} blocks of ${blockSize} pairs: p50 ${p50.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms added`,
  )
  console.log(`${p99 <= 0.2 ? 'ok  ' : 'MISS'}  shadow and capture add at the 99th percentile (goal ≤ 0.2 ms)`)
  await Promise.all([plain.pool.close(), watched.pool.close()])
} finally {
  await Promise.all(running.map(program => program.stop()))
  rmSync(folder, { recursive: true, force: true })
}
