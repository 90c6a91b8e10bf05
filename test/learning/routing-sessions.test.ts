import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bearer, configure } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { prompts, type Shelf, shelf, trainedArtifact } from './artifacts.ts'
import { decisionOf, modelList, modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let files: Shelf
let artifact: string
let serial = 0

beforeAll(async () => {
  files = shelf()
  artifact = files.put('router.routeiq', await trainedArtifact({}))
  upstream = await startUpstream()
  gateway = await startGateway({ config: learned() })
})
beforeEach(() => {
  upstream.reset()
  serial++
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  files.remove()
})

function learned(args: Json = {}): Json {
  return {
    model_list: modelList(upstream),
    router_settings: {
      routing_strategy: 'routeiq-auto',
      routing_strategy_args: { model_path: artifact, switch_margin: 1, ...args },
    },
  }
}

const user = (content: string): Json => ({ role: 'user', content })
/** Turns of a conversation no other test has. Its words must stay those of the training data, so the system text differs. */
const talkOf = (...turns: (string | Json)[]): Json[] => [
  { role: 'system', content: `talk ${serial}` },
  ...turns.map(turn => (typeof turn === 'string' ? user(turn) : turn)),
]
const ok: Json = { role: 'assistant', content: 'ok' }
const tools: Json[] = [
  {
    type: 'function',
    function: { name: 'look_up', parameters: { type: 'object', properties: { q: { type: 'string' } } } },
  },
]
const toolTurn: Json[] = [
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look_up', arguments: '{"q":"x"}' } }],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'found' },
]

describe('a session', () => {
  it('stays with its model while no other is better by more than the change costs', async () => {
    await configure(gateway, learned())
    const first = await chat(gateway, 'mixed', talkOf(prompts.prove))
    expect(modelOf(first)).toBe('large')
    const next = await chat(gateway, 'mixed', talkOf(prompts.prove, ok, prompts.calculate))
    expect(modelOf(next)).toBe('large')
    expect(await decisionOf(gateway, next)).toMatchObject({ reason: 'sticky_session', propensity: 1 })
    // Another conversation is another matter.
    const other = await chat(gateway, 'mixed', [
      user('Hello'),
      { role: 'assistant', content: 'ok' },
      user(prompts.calculate),
    ])
    expect(modelOf(other)).toBe('medium')
  })

  it('is found by its id, of its own caller only', async () => {
    await configure(gateway, learned())
    const headers = { 'x-routeiq-session': `s-${serial}` }
    expect(modelOf(await chat(gateway, 'mixed', prompts.prove, {}, { headers }))).toBe('large')
    expect(modelOf(await chat(gateway, 'mixed', prompts.calculate, {}, { headers }))).toBe('large')
    expect(modelOf(await chat(gateway, 'mixed', prompts.calculate, { litellm_session_id: `s-${serial}` }))).toBe(
      'large',
    )
    const made = await send(`${gateway.url}/key/generate`, { headers: bearer(gateway), body: {} })
    const stranger = { url: gateway.url, key: String(made.json!['key']) }
    expect(modelOf(await chat(stranger, 'mixed', prompts.calculate, {}, { headers }))).toBe('medium')
  })

  it('changes where the other is much better, and where stickiness is off', async () => {
    await configure(gateway, learned({ switch_margin: 0.01 }))
    const talk = talkOf(prompts.chat, ok, prompts.prove)
    expect(modelOf(await chat(gateway, 'mixed', talk.slice(0, 2)))).not.toBe('large')
    expect(modelOf(await chat(gateway, 'mixed', talk))).toBe('large')
    serial++
    await configure(gateway, learned({ sticky_sessions: false }))
    expect(modelOf(await chat(gateway, 'mixed', talkOf(prompts.prove)))).toBe('large')
    expect(modelOf(await chat(gateway, 'mixed', talkOf(prompts.prove, ok, prompts.calculate)))).toBe('medium')
  })
})

describe('a tool loop', () => {
  it.each([true, false])('never changes its model (sticky_sessions %s)', async sticky => {
    await configure(gateway, learned({ switch_margin: 0, sticky_sessions: sticky }))
    const talk = talkOf(prompts.calculate)
    expect(modelOf(await chat(gateway, 'mixed', talk, { tools }))).toBe('medium')
    // λ 0 would send it to the large model at any other time.
    const answer = await chat(gateway, 'mixed', [...talk, ...toolTurn], { tools, routeiq: { lambda: 0 } })
    expect(modelOf(answer)).toBe('medium')
    expect(await decisionOf(gateway, answer)).toMatchObject({ reason: 'tool_loop' })
    // The loop is over: a new turn of the user is a new question.
    const after = [...talk, ...toolTurn, { role: 'assistant', content: 'done' }, user(prompts.prove)]
    expect(modelOf(await chat(gateway, 'mixed', after, { tools, routeiq: { lambda: 0 } }))).toBe('large')
  })

  it('is left only by a model that cannot answer', async () => {
    await configure(gateway, learned())
    const talk = talkOf(prompts.calculate)
    expect(modelOf(await chat(gateway, 'mixed', talk, { tools }))).toBe('medium')
    upstream.fault('medium', 'status=500')
    const answer = await chat(gateway, 'mixed', [...talk, ...toolTurn], { tools })
    expect(answer.status).toBe(200)
    expect(modelOf(answer)).not.toBe('medium')
  })

  it('of Anthropic messages is one as well', async () => {
    await configure(gateway, learned({ switch_margin: 0 }))
    const ask = (messages: Json[]): ReturnType<typeof send> =>
      send(`${gateway.url}/v1/messages`, {
        headers: bearer(gateway),
        body: {
          model: 'mixed',
          max_tokens: 50,
          messages,
          tools: [{ name: 'look_up', input_schema: { type: 'object' } }],
          routeiq: { lambda: messages.length > 1 ? 0 : 0.1 },
        },
      })
    const talk = [user(prompts.calculate)]
    expect(modelOf(await ask(talk))).toBe('medium')
    const loop = [
      ...talk,
      { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'look_up', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'found' }] },
    ]
    const answer = await ask(loop)
    expect(answer.status, answer.text).toBe(200)
    expect(modelOf(answer)).toBe('medium')
  })
})
