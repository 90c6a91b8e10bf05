import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'

// What a body looks like on its way to a vendor that speaks the caller's own format.

const received: Buffer[] = []
/** In place of the usual answer. */
let answer: Buffer | undefined
let vendor: Server
let gateway: Gateway

beforeAll(async () => {
  vendor = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push(Buffer.concat(chunks))
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(
        answer ??
          '{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"é"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}',
      )
    })
  })
  await new Promise<void>(resolve => vendor.listen(0, '127.0.0.1', resolve))
  const api_base = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/v1`
  const deployment = (model_name: string, model: string) => ({
    model_name,
    litellm_params: { model: `openai/${model}`, api_base, api_key: 'sk-upstream' },
  })
  gateway = await startGateway({
    config: { model_list: [deployment('gpt-4o', 'gpt-4o'), deployment('other', 'gpt-4o')] },
  })
})

afterAll(async () => {
  await gateway.stop()
  await new Promise(resolve => vendor.close(resolve))
})

async function sent(body: Buffer): Promise<Buffer> {
  received.length = 0
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: new Uint8Array(body),
  })
  expect([response.status, ((await response.json()) as { choices: unknown[] }).choices.length]).toEqual([200, 1])
  expect(received).toHaveLength(1)
  return received[0] as Buffer
}

const asking = (model: string, content: string): Buffer =>
  Buffer.from(`{ "model": "${model}",  "messages": [{"role":"user","content":"${content}"}], "n" : 1 }`)

it.each([
  ['short', 'hi'],
  ['of several packets', 'word '.repeat(60_000)],
  ['beyond ASCII', 'Grüße, 你好 🙂'],
])('a body %s leaves as it came, spaces and all', async (_what, content) => {
  const body = asking('gpt-4o', content)
  expect((await sent(body)).equals(body)).toBe(true)
})

it.each(['hi', 'Grüße, 你好 🙂'])('the name of the model alone is another, where it is: %s', async content => {
  expect((await sent(asking('other', content))).toString()).toBe(asking('gpt-4o', content).toString())
})

it('bytes that are no UTF-8 are not passed on: vendor and gateway read the same text', async () => {
  const body = Buffer.concat([
    Buffer.from('{"model":"gpt-4o","messages":[{"role":"user","content":"'),
    Buffer.from([0xff, 0xc3]),
    Buffer.from('"}]}'),
  ])
  const text = (await sent(body)).toString('utf8')
  expect(text).toBe(body.toString('utf8'))
  expect(text).toContain('\uFFFD')
  expect(received[0]?.includes(0xff)).toBe(false)
})

it.each([
  ['ASCII', Buffer.from('plain')],
  ['beyond ASCII', Buffer.from('Grüße, 你好 🙂')],
  ['no UTF-8', Buffer.from([0x61, 0xff, 0xc3, 0x62])],
])('an answer arrives byte by byte as the vendor sent it: %s', async (_what, content) => {
  const [head, tail] = [
    '{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"',
    '"},"finish_reason":"stop"}]}',
  ]
  answer = Buffer.concat([Buffer.from(head), content, Buffer.from(tail)])
  try {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      body: new Uint8Array(asking('gpt-4o', 'hi')),
    })
    expect(response.headers.get('content-length')).toBe(String(answer.length))
    expect(Buffer.from(await response.arrayBuffer()).equals(answer)).toBe(true)
  } finally {
    answer = undefined
  }
})
