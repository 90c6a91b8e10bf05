import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, message, send } from '../harness/http.ts'
import { bodyOf, startUpstream, type Upstream } from '../upstream/server.ts'
import { answeredBy, bearer, called, configure, deployment, explain, get } from './setup.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'start')] } })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

async function names(): Promise<string[]> {
  const list = (await get(gateway, '/v1/models')).json!
  expect(list['object']).toBe('list')
  return (list['data'] as { id: string }[]).map(({ id }) => id)
}

describe('names', () => {
  it('aliases lead to their group, hidden ones are not listed, and an alias beats a group of its name', async () => {
    await configure(gateway, {
      model_list: [deployment('real', upstream, 'real'), deployment('taken', upstream, 'never')],
      router_settings: { model_group_alias: { open: 'real', secret: { model: 'real', hidden: true }, taken: 'real' } },
      litellm_settings: { model_alias_map: { mapped: 'open' } },
    })
    for (const alias of ['real', 'open', 'secret', 'mapped', 'taken']) {
      const answer = await chat(gateway, alias, 'hi')
      expect([answer.status, answeredBy(answer), answer.headers['x-litellm-model-group']], alias).toEqual([
        200,
        'real',
        'real',
      ])
    }
    expect(new Set(called(upstream))).toEqual(new Set(['real']))
    const listed = await names()
    expect(listed).toEqual(expect.arrayContaining(['real', 'open', 'taken']))
    expect(listed).not.toContain('secret')
    expect((await get(gateway, '/v1/models/open')).json).toMatchObject({ id: 'open', object: 'model' })
    expect((await get(gateway, '/v1/models/nobody')).status).toBe(404)
  })

  it('wildcards put what the star stood for into the upstream name; the longest pattern wins', async () => {
    await configure(gateway, {
      model_list: [
        deployment('*', upstream, 'any-*', {}, { id: 'any' }),
        deployment('fast/*', upstream, 'quick-*', {}, { id: 'fast' }),
        deployment('fast/*-mini', upstream, 'small-*', {}, { id: 'mini' }),
        deployment('exact', upstream, 'exact'),
      ],
    })
    const expected = [
      ['fast/one', 'quick-one', 'fast'],
      ['fast/a/b', 'quick-a/b', 'fast'],
      ['fast/two-mini', 'small-two', 'mini'],
      ['other', 'any-other', 'any'],
      ['exact', 'exact', 'exact'],
    ] as const
    for (const [asked, sent, id] of expected) {
      upstream.reset()
      const answer = await chat(gateway, asked, 'hi')
      expect([answer.status, bodyOf(upstream.requests[0]).model, answeredBy(answer)], asked).toEqual([200, sent, id])
      expect(answer.headers['x-litellm-model-name']).toBe(`openai/${sent}`)
    }
  })

  it('a star for any vendor takes the vendor from the name', async () => {
    const anything = { model_name: '*', litellm_params: { model: '*', api_base: `${upstream.url}/v1`, api_key: 'k' } }
    await configure(gateway, { model_list: [anything] })
    const answer = await chat(gateway, 'groq/llama-x', 'hi')
    expect([answer.status, answer.headers['x-litellm-model-name']]).toEqual([200, 'groq/llama-x'])
    expect((await chat(gateway, 'gpt-4o', 'hi')).headers['x-litellm-model-name']).toBe('openai/gpt-4o')
    const lost = await chat(gateway, 'nobody/knows', 'hi')
    expect([lost.status, lost.json!['error']]).toMatchObject([404, { code: 'model_not_found', param: 'model' }])
  })

  it('entries that differ only in their key are two deployments', async () => {
    const entry = (key: string) => ({
      model_name: 'keys',
      litellm_params: { model: 'openai/same', api_base: `${upstream.url}/v1`, api_key: key },
    })
    await configure(gateway, { model_list: [entry('sk-key-one'), entry('sk-key-two')] })
    const ids = new Set<string>()
    for (let call = 0; call < 40; call++) ids.add(answeredBy(await chat(gateway, 'keys', 'hi')))
    expect(ids.size).toBe(2)
    const sent = new Set(upstream.requests.map(request => request.headers.authorization))
    expect(sent).toEqual(new Set(['Bearer sk-key-one', 'Bearer sk-key-two']))
  })

  it('a deployment id addresses that deployment alone, past cooldown and balancing', async () => {
    await configure(gateway, {
      model_list: [deployment('g', upstream, 'id-a'), deployment('g', upstream, 'id-b')],
      router_settings: { num_retries: 0 },
    })
    for (let call = 0; call < 6; call++) expect(answeredBy(await chat(gateway, 'id-b', 'hi'))).toBe('id-b')
    upstream.fault('id-b', 'status=429,fail=1')
    expect((await chat(gateway, 'id-b', 'hi')).status).toBe(429)
    const direct = await chat(gateway, 'id-b', 'hi')
    expect([direct.status, direct.headers['x-routeiq-reason']]).toEqual([200, 'asked for by deployment id'])
    expect(await names()).toEqual(['g'])
  })

  it('the model of the path wins over the body, under every prefix', async () => {
    await configure(gateway, {
      model_list: [deployment('team/chat', upstream, 'path'), deployment('body', upstream, 'body')],
    })
    for (const prefix of ['/openai/deployments/', '/engines/', '/v1/engines/']) {
      const answer = await chat(
        gateway,
        'body',
        'hi',
        {},
        { path: `${prefix}team/chat/chat/completions?api-version=2024-10-21` },
      )
      expect([answer.status, answeredBy(answer)], prefix).toEqual([200, 'path'])
    }
    const encoded = await chat(gateway, 'body', 'hi', {}, { path: '/engines/team%2Fchat/chat/completions' })
    expect(answeredBy(encoded)).toBe('path')
  })

  it('completion_model and embedding_model take every call of their kind', async () => {
    await configure(gateway, {
      model_list: ['chat', 'vectors', 'other'].map(name => deployment(name, upstream, name)),
      general_settings: { master_key: gateway.key, completion_model: 'chat', embedding_model: 'vectors' },
    })
    const post = (path: string, body: object) => send(`${gateway.url}${path}`, { headers: bearer(gateway), body })
    expect(answeredBy(await chat(gateway, 'other', 'hi'))).toBe('chat')
    expect(answeredBy(await chat(gateway, 'no-such-model', 'hi'))).toBe('chat')
    expect(answeredBy(await message(gateway, 'other', 'hi'))).toBe('chat')
    expect(answeredBy(await post('/v1/completions', { model: 'other', prompt: 'hi' }))).toBe('chat')
    expect(answeredBy(await chat(gateway, 'x', 'hi', {}, { path: '/engines/other/chat/completions' }))).toBe('chat')
    expect(answeredBy(await post('/v1/embeddings', { model: 'other', input: 'hi' }))).toBe('vectors')
    expect(contentOf(await chatStream(gateway, 'other', 'hi'))).toBe('echo: hi')
    expect(called(upstream)).not.toContain('other')
  })

  it("a caller's own call id is kept when it is one", async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    const own = await chat(gateway, 'm', 'hi', {}, { headers: { 'x-litellm-call-id': 'my.id:1-a_b' } })
    expect(own.headers['x-litellm-call-id']).toBe('my.id:1-a_b')
    expect((await explain(gateway, own))['request_id']).toBe('my.id:1-a_b')
    for (const bad of ['has space', 'x'.repeat(200), 'a/b', '<x>']) {
      const answer = await chat(gateway, 'm', 'hi', {}, { headers: { 'x-litellm-call-id': bad } })
      expect(answer.headers['x-litellm-call-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    }
  })
})
