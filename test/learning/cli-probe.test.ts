import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { stringify } from 'yaml'
import { routeiq } from './skills.ts'

vi.setConfig({ testTimeout: 180_000 })

interface Call {
  readonly model: string
  readonly prompt: string
}

let folder: string
let vendor: Server
let config: string
let prompts: string
const calls: Call[] = []
/** What the vendor does with the next calls. */
let refuse: (call: Call, number: number) => boolean = () => false

/** A vendor whose models can add or rhyme, and a judge who likes answers that say `right`. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-probe-'))
  vendor = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      const { model, messages } = JSON.parse(body) as { model: string; messages: { content: string }[] }
      const call = { model, prompt: messages.at(-1)?.content ?? '' }
      calls.push(call)
      const refused = refuse(call, calls.length)
      response.writeHead(refused ? 400 : 200, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify(
          refused
            ? { error: { message: 'the vendor has a bad day', type: 'invalid_request_error' } }
            : {
                id: 'x',
                object: 'chat.completion',
                created: 1,
                model,
                choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: answer(call) } }],
                usage: { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 },
              },
        ),
      )
    })
  })
  await new Promise<void>(resolve => vendor.listen(0, '127.0.0.1', resolve))
  const { port } = vendor.address() as AddressInfo
  config = join(folder, 'config.yaml')
  const model = (name: string, price: number) => ({
    model_name: name,
    litellm_params: {
      model: `openai/${name}`,
      api_base: `http://127.0.0.1:${port}/v1`,
      api_key: 'sk-vendor',
      input_cost_per_token: price,
      output_cost_per_token: price,
    },
  })
  writeFileSync(
    config,
    stringify({
      model_list: [model('adder', 1e-6), model('rhymer', 1e-6), model('both', 1e-5), model('judge', 1e-6)],
      router_settings: { num_retries: 0 },
      routeiq: { egress: { allow_cidrs: ['127.0.0.0/8'] } },
    }),
  )
  prompts = join(folder, 'prompts.jsonl')
  const lines = Array.from({ length: 60 }, (_, n) =>
    n % 2 === 0
      ? { prompt: `add the numbers ${n} and ${n * 3}`, reference: `right ${n}`, task: 'sums' }
      : { prompt: `rhyme a song about ${n} birds`, reference: `right ${n}`, task: 'songs' },
  )
  writeFileSync(prompts, lines.map(line => JSON.stringify(line)).join('\n'))
})
afterAll(() => {
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

function answer({ model, prompt }: Call): string {
  if (model === 'judge') {
    const [, a = '', b = ''] =
      /answer-A [^>]*>\n([\s\S]*?)\n<\/answer-A[\s\S]*answer-B [^>]*>\n([\s\S]*?)\n<\/answer-B/.exec(prompt) ?? []
    const [first, second] = [a.startsWith('right'), b.startsWith('right')]
    return first === second ? 'verdict: tie' : `verdict: ${first ? 'A' : 'B'}`
  }
  const number = /\d+/.exec(prompt)?.[0] ?? ''
  const able = model === 'both' || (model === 'adder') === prompt.startsWith('add')
  return able ? `right ${number}` : `I do not know, perhaps ${number}`
}

const probe = (out: string, ...more: string[]) =>
  routeiq(
    [
      'router',
      'probe',
      '--config',
      config,
      '--prompts',
      prompts,
      '--models',
      'adder,rhymer,both',
      '--out',
      out,
      '--threads',
      '0',
      ...more,
    ],
    { LITELLM_MASTER_KEY: 'sk-probe-key' },
  )

it('probes a pool through the gateway, pays for nothing twice, and trains what it found', async () => {
  const out = join(folder, 'router.routeiq')
  calls.length = 0
  // The vendor refuses everything after the 100th call: the probe stops and says why.
  refuse = (_, number) => number > 100
  const stopped = await probe(out, '--check', 'exact', '--concurrency', '3')
  expect(stopped.code).toBe(2)
  expect(stopped.err).toMatch(/calls failed, the last with: \w+: 400 .*bad day/)
  expect(stopped.err).toContain('run the same command again')
  expect(existsSync(out)).toBe(false)

  refuse = () => false
  calls.length = 0
  const finished = await probe(out, '--check', 'exact', '--methods', 'ridge')
  expect(finished.code, finished.err + finished.out).toBe(0)
  expect(finished.err).toContain('80 answers; 100 were there already; 0 failed')
  expect(calls).toHaveLength(80)
  expect(finished.out).toContain('gate: passed')
  const inspected = JSON.parse((await routeiq(['router', 'inspect', out, '--json'])).out)
  // Prices come from what the gateway charged, qualities from the check.
  expect(
    inspected.models.map(({ id, mean_quality }: { id: string; mean_quality: number }) => [
      id,
      Math.round(10 * mean_quality),
    ]),
  ).toEqual([
    ['adder', 5],
    ['both', 10],
    ['rhymer', 5],
  ])
  const [row] = gunzipSync(readFileSync(`${out}.dataset.jsonl.gz`))
    .toString()
    .split('\n')
  expect(JSON.parse(row!)).toMatchObject({
    c: [0.00003, 0.0003, 0.00003],
    ot: [10, 10, 10],
    by: ['reference', 'reference', 'reference'],
  })
  // Answers are somebody's texts.
  expect(statSync(`${out}.answers.jsonl`).mode & 0o077).toBe(0)
})

it('asks a judge who sees each pair in both orders, once', async () => {
  const out = join(folder, 'judged.routeiq')
  calls.length = 0
  const run = await probe(out, '--judge', 'judge', '--limit', '4', '--dataset-only')
  expect(run.code, run.err).toBe(0)
  const asked = calls.filter(({ model }) => model === 'judge')
  // Three pairs a prompt, less those whose answers are the same, in both orders.
  expect(asked).toHaveLength(4 * 2 * 2)
  const rows = gunzipSync(readFileSync(`${out}.dataset.jsonl.gz`))
    .toString()
    .trim()
    .split('\n')
  for (const line of rows) {
    const { task, q, by, w } = JSON.parse(line)
    // adder, both, rhymer: the right answers beat the wrong one and tie with each other.
    expect(q).toEqual(task === 'sums' ? [0.75, 0.75, 0] : [0, 0.75, 0.75])
    expect([by[0], w[0]]).toEqual(['judge', 0.7])
  }
  calls.length = 0
  await probe(out, '--judge', 'judge', '--limit', '4', '--dataset-only')
  expect(calls).toEqual([])
})

it('asks nothing before everything is in order', async () => {
  calls.length = 0
  for (const [more, message] of [
    [[], 'say how answers are scored'],
    [['--check', 'magic'], 'known are exact'],
    [['--check', 'exact', '--concurrency', '0'], '--concurrency must be'],
    [['--check', 'exact', '--methods', 'magic'], 'there is no magic'],
    [['--check', 'exact', '--url', 'http://localhost:1'], 'give one of --config and --url'],
  ] as const) {
    const run = await probe(join(folder, 'never.routeiq'), ...more)
    expect(run.code).toBe(2)
    expect(run.err).toContain(message)
  }
  expect(calls).toEqual([])
})
