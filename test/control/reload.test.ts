import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { answeredBy, bearer, configure, deployment, eventually, get, metric, readiness, reload } from './setup.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream({ keep: 100 })
})
beforeEach(() => upstream.reset())
afterAll(() => upstream.close())

const start = (list: Json[], more: Json = {}): Promise<Gateway> =>
  startGateway({ config: { model_list: list, ...more } })
const version = (answer: StreamAnswer): number =>
  Number(String(answer.headers['x-routeiq-config-version']).split('-')[0])

/** Whole config texts as a bare gateway needs them. */
const text = (list: Json[], more: Json = {}): string =>
  stringify({
    model_list: list,
    general_settings: { master_key: 'sk-reload-key' },
    routeiq: { egress: { allow_cidrs: ['127.0.0.0/8'] } },
    ...more,
  })

function writeAtomically(path: string, content: string): void {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

describe('reload under load', () => {
  it('1,000 reloads during traffic: no failed request, no bad config in force, versions only rise', async () => {
    const gateway = await start([deployment('chat', upstream, 'v0')])
    const path = gateway.configPath!
    const variant = (at: number): string =>
      text(
        [deployment('chat', upstream, `v${at}`, {}, { id: `v${at % 7}` }), deployment('stable', upstream, 'stable')],
        {
          general_settings: { master_key: gateway.key },
        },
      )
    const bad = [
      'model_list: [',
      text([deployment('chat', upstream, 'BAD')], { router_setings: {} }),
      text([{ model_name: 'chat', litellm_params: { model: 'openai/BAD', api_base: 'ftp://nowhere' } }]),
      text([deployment('chat', upstream, 'BAD', { api_key: 'os.environ/NOT_SET_ANYWHERE' })]),
      '',
    ]
    let running = true
    let calls = 0
    let streams = 0
    const problems: string[] = []
    const labels = new Map<number, string>()
    const traffic = async (worker: number): Promise<void> => {
      let newest = 0
      for (let turn = 0; running; turn++) {
        const streamed = (worker + turn) % 2 === 0
        const prompt = `worker ${worker} turn ${turn}`
        const answer = streamed ? await chatStream(gateway, 'chat', prompt) : await chat(gateway, 'chat', prompt)
        calls++
        if (streamed) streams++
        const ok = answer.status === 200 && answer.end === 'clean' && contentOf(answer) === `echo: ${prompt}`
        const done = !streamed || answer.events.at(-1)?.data === '[DONE]'
        if (!ok || !done) problems.push(`${answer.status} ${answer.end} ${answer.text.slice(0, 300)}`)
        // Calls of one worker follow one another, so what they see may never go back.
        if (version(answer) < newest) problems.push(`version ${version(answer)} after ${newest}`)
        newest = version(answer)
        const label = String(answer.headers['x-routeiq-config-version'])
        if ((labels.get(newest) ?? label) !== label) problems.push(`${label} and ${labels.get(newest)}`)
        labels.set(newest, label)
      }
    }
    const workers = Array.from({ length: 6 }, (_, at) => traffic(at))
    let before = (await readiness(gateway)).version
    let refused = 0
    for (let round = 1; round <= 1000; round++) {
      const isBad = round % 5 === 0
      writeAtomically(path, isBad ? bad[(round / 5) % bad.length]! : variant(round))
      const way = round % 10
      if (way === 1 || way === 6) {
        gateway.signal('SIGHUP')
        // The signal's own reload answers nobody, so readiness tells when it is through.
        await eventually(async () => ((await readiness(gateway)).version > before ? true : undefined))
      } else if (round % 250 === 2) {
        // Nobody asks: the watcher finds the edit.
        await eventually(async () => ((await readiness(gateway)).version > before ? true : undefined))
      } else {
        const answer = await reload(gateway)
        expect(answer.status, answer.text).toBe(isBad ? 400 : 200)
        if (isBad) {
          refused++
          expect(answer.json!['problems']).not.toEqual([])
          expect((await readiness(gateway)).version).toBe(before)
        }
      }
      const now = (await readiness(gateway)).version
      expect(now).toBeGreaterThanOrEqual(before)
      if (!isBad) expect(now).toBe(before + 1)
      before = now
    }
    running = false
    await Promise.all(workers)
    expect(problems.slice(0, 5)).toEqual([])
    expect(refused).toBe(200)
    expect(before).toBe(801)
    expect(calls).toBeGreaterThan(500)
    expect(streams).toBeGreaterThan(200)
    expect(upstream.requests.some(request => request.model === 'BAD')).toBe(false)
    const metrics = (await get(gateway, '/metrics')).text
    expect(metric(metrics, 'routeiq_config_version')).toBe(801)
    expect(metric(metrics, 'routeiq_config_reloads_total', { result: 'applied' })).toBe(800)
    expect(metric(metrics, 'routeiq_config_reloads_total', { result: 'refused' })).toBeGreaterThanOrEqual(200)
    expect(metric(metrics, 'litellm_proxy_failed_requests_metric_total')).toBe(0)
    await gateway.stop()
  }, 240_000)
})

describe('a reload', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await start([deployment('old', upstream, 'old')])
  })
  afterAll(() => gateway.stop())

  it('lets a stream finish on the snapshot it began with, though its deployment is gone', async () => {
    await configure(gateway, { model_list: [deployment('old', upstream, 'old')] })
    const before = await readiness(gateway)
    upstream.fault('old', 'chunks=40,cadence=10')
    let begun: (() => void) | undefined
    const first = new Promise<void>(resolve => {
      begun = resolve
    })
    const streaming = chatStream(gateway, 'old', 'long', {}, { onEvent: () => begun?.() })
    await first
    await configure(gateway, { model_list: [deployment('new', upstream, 'new')] })
    const gone = await chat(gateway, 'old', 'hi')
    expect(gone.status).toBe(404)
    expect(version(gone)).toBe(before.version + 1)
    const answer = await streaming
    expect([answer.end, answer.events.at(-1)?.data]).toEqual(['clean', '[DONE]'])
    expect(answer.headers['x-routeiq-config-version']).toBe(`${before.version}-${before.hash}`)
    expect(answer.events.length).toBeGreaterThan(40)
    expect((await chat(gateway, 'new', 'hi')).status).toBe(200)
  })

  it('lets a call retry on its own snapshot', async () => {
    const list = ['r1', 'r2'].map((id, at) => deployment('retry', upstream, id, { order: at }))
    await configure(gateway, { model_list: list })
    upstream.fault('r1', 'delay=200,status=503')
    const pending = chat(gateway, 'retry', 'hi')
    await upstream.waitFor(request => request.model === 'r1')
    await configure(gateway, { model_list: [deployment('other', upstream, 'other')] })
    const answer = await pending
    expect([answer.status, answeredBy(answer)]).toEqual([200, 'r2'])
  })

  it('says what is wrong and where, changes nothing, and recovers', async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    const before = await readiness(gateway)
    gateway.writeConfig({ model_list: [deployment('m', upstream, 'm')], router_settings: { routing_stratgy: 'x' } })
    const refused = await reload(gateway)
    expect(refused.status).toBe(400)
    expect(refused.json!['error']).toMatchObject({ code: 'config_invalid', type: 'invalid_request_error' })
    expect(String((refused.json!['problems'] as string[])[0])).toMatch(
      /config\.yaml:\d+:\d+: error: router_settings\.routing_stratgy: unknown key; did you mean "routing_strategy"/,
    )
    expect(refused.json!['config']).toEqual({ version: before.version, hash: before.hash })
    expect(await readiness(gateway)).toMatchObject({ version: before.version, hash: before.hash })
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')], router_settings: { num_retries: 1 } })
    expect((await readiness(gateway)).version).toBe(before.version + 1)
    expect((await readiness(gateway)).hash).not.toBe(before.hash)
  })

  it('survives the file being deleted, made empty and restored', async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    const before = await readiness(gateway)
    rmSync(gateway.configPath!)
    expect((await reload(gateway)).status).toBe(400)
    writeFileSync(gateway.configPath!, '')
    const empty = await reload(gateway)
    expect(empty.status, 'the half of an edit that only truncated the file').toBe(400)
    expect(empty.json!['problems']).toEqual([expect.stringMatching(/config\.yaml:1:1: error: .*empty/)])
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    expect((await readiness(gateway)).version, 'the same content is no new version').toBe(before.version)
  })

  it('changes the key, the limits and the log level for new calls', async () => {
    const model_list = [deployment('m', upstream, 'm')]
    await configure(gateway, { model_list, general_settings: { master_key: gateway.key, max_request_size_mb: 0.001 } })
    const large = 'x'.repeat(2000)
    const refused = await chat(gateway, 'm', large)
    expect(refused.status).toBe(413)
    expect(refused.json!['error']).toMatchObject({ code: 'request_too_large' })
    await configure(gateway, { model_list, general_settings: { master_key: gateway.key, max_request_size_mb: 1 } })
    expect((await chat(gateway, 'm', large)).status).toBe(200)

    await configure(gateway, { model_list, routeiq: { log_level: 'debug' } })
    upstream.fault('m', 'status=400')
    await chat(gateway, 'm', 'hi')
    await gateway.waitForLog(/"msg":"attempt failed"/)

    gateway.writeConfig({ model_list, general_settings: { master_key: 'sk-another-key' } })
    expect((await reload(gateway)).status).toBe(200)
    expect((await chat(gateway, 'm', 'hi')).status).toBe(401)
    const other = { url: gateway.url, key: 'sk-another-key' }
    upstream.reset()
    expect((await chat(other, 'm', 'hi')).status).toBe(200)
    gateway.writeConfig({ model_list, general_settings: { master_key: gateway.key } })
    expect(
      (await send(`${gateway.url}/config/reload`, { method: 'POST', headers: bearer(other), body: {} })).status,
    ).toBe(200)
  })
})

describe('the file watcher', () => {
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-watch-'))
  const target = { url: '', key: 'sk-reload-key' }
  let gateway: Gateway
  afterAll(async () => {
    await gateway?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const serves = (model: string) =>
    eventually(async () => ((await chat(target, model, 'hi')).status === 200 ? true : undefined), 15_000)

  it('sees edits in place, atomic renames, symlink swaps and edits of included files', async () => {
    // As Kubernetes mounts a ConfigMap: config.yaml → ..data/config.yaml, ..data → a dated folder, swapped by rename.
    const publish = (name: string, files: Record<string, string>): void => {
      mkdirSync(join(folder, name))
      for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, name, file), content)
      symlinkSync(name, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    }
    const path = join(folder, 'config.yaml')
    publish('one', { 'config.yaml': text([deployment('m1', upstream, 'm1')]) })
    symlinkSync('..data/config.yaml', path)
    gateway = await startGateway({ args: ['--config', path] })
    target.url = gateway.url
    await serves('m1')

    publish('two', { 'config.yaml': text([deployment('m2', upstream, 'm2')]) })
    await serves('m2')

    writeAtomically(path, text([deployment('m3', upstream, 'm3')]))
    await serves('m3')

    writeFileSync(path, text([deployment('m4', upstream, 'm4')], { include: ['models/more.yaml'] }))
    await gateway.waitForLog(/config not applied.*/, 15_000)
    expect((await chat(target, 'm3', 'hi')).status, 'the include is missing').toBe(200)

    const included = join(folder, 'models/more.yaml')
    mkdirSync(dirname(included))
    writeFileSync(included, stringify({ model_list: [deployment('m5', upstream, 'm5')] }))
    await serves('m5')
    expect((await chat(target, 'm4', 'hi')).status).toBe(200)

    writeAtomically(included, stringify({ model_list: [deployment('m6', upstream, 'm6')] }))
    await serves('m6')
    expect((await chat(target, 'm5', 'hi')).status).toBe(404)
  })
})
