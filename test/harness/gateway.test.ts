import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { nodePath, prepareConfig, root, startGateway } from './gateway.ts'
import { chat, chatStream, contentOf, send } from './http.ts'

const command = [nodePath(), join(root, 'test/harness/fixtures/program.ts')]
const config = 'model_list:\n  - model_name: a\n    litellm_params: {model: openai/a}\n'

describe('the gateway harness', () => {
  it('writes the config with a key and loopback allowed, and cleans up', async () => {
    const gateway = await startGateway({ command, config })
    const answer = await send(gateway.url)
    expect(parse(answer.text)).toMatchObject({
      general_settings: { master_key: gateway.key },
      routeiq: { egress: { allow_cidrs: ['127.0.0.0/8'] } },
    })
    gateway.writeConfig({ model_list: [], general_settings: { master_key: gateway.key } })
    expect(parse((await send(gateway.url)).text).model_list).toEqual([])
    expect(gateway.rss()).toBeGreaterThan(1_000_000)
    await gateway.stop()
    expect(existsSync(gateway.configPath!)).toBe(false)
    await expect(send(gateway.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('keeps a key and an egress rule that the config gives', () => {
    const given = { general_settings: { master_key: 'sk-mine' }, routeiq: { egress: { allow_cidrs: [] } } }
    const prepared = prepareConfig(given, 'sk-other', false)
    expect(prepared.key).toBe('sk-mine')
    expect(parse(prepared.text).routeiq.egress.allow_cidrs).toEqual([])
    expect(prepareConfig('just text', 'k', false).text).toBe('just text')
  })

  it('says why a gateway did not start', async () => {
    await expect(startGateway({ command, config, env: { FAKE: 'refuse' } })).rejects.toThrow(/exit 2[\s\S]*unknown key/)
  })

  it('fails the test after an unhandled rejection or a crash', async () => {
    const rejecting = await startGateway({ command, env: { FAKE: 'reject' } })
    await send(rejecting.url)
    await rejecting.waitForLog(/unhandledRejection/)
    await expect(rejecting.stop()).rejects.toThrow(/has a defect: unhandledRejection/)
    const crashing = await startGateway({ command, env: { FAKE: 'crash' } })
    await send(crashing.url)
    await expect(crashing.waitForLog(/never/)).rejects.toThrow(/exit 3/)
    await expect(crashing.stop()).rejects.toThrow(/ended by itself \(exit 3\)/)
  })

  it('kills what does not end', async () => {
    const stubborn = await startGateway({ command, env: { FAKE: 'stubborn' }, stopTimeout: 200 })
    await expect(stubborn.stop()).rejects.toThrow(/did not end within/)
    expect(() => process.kill(stubborn.pid, 0)).toThrow()
  })
})

describe('the raw HTTP calls', () => {
  let upstream: Upstream
  beforeAll(async () => {
    upstream = await startUpstream()
  })
  afterAll(() => upstream.close())

  it('reads answers and streams with their ends', async () => {
    const target = { url: upstream.url, key: 'k' }
    const plain = await chat(target, 'gpt-4o', 'hi')
    expect([plain.status, plain.end, contentOf(plain)]).toEqual([200, 'clean', 'echo: hi'])
    const streamed = await chatStream(target, 'gpt-4o@split=3,crlf', 'hi')
    expect([contentOf(streamed), streamed.events.at(-1)!.data]).toEqual(['echo: hi', '[DONE]'])
    const cut = await chatStream(target, 'gpt-4o@cut_content=1', 'hi')
    expect([cut.status, cut.end, contentOf(cut)]).toEqual([200, 'ECONNRESET', 'echo:'])
    const refused = await chat({ ...target, key: '' }, 'gpt-4o', 'hi')
    expect(refused.status).toBe(401)
  })

  it('leaves when told', async () => {
    const controller = new AbortController()
    const pending = chatStream(
      { url: upstream.url, key: 'k' },
      'leave@chunks=50,cadence=5',
      'hi',
      {},
      {
        signal: controller.signal,
        onEvent: event => {
          if (event.data.includes('word5')) controller.abort()
        },
      },
    )
    expect((await pending).end).not.toBe('clean')
    expect(await upstream.waitFor(entry => entry.model === 'leave' && entry.abortedAt !== undefined)).toBeDefined()
  })
})
