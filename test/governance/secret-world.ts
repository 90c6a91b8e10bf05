import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Gateway } from '../harness/gateway.ts'
import { chat, chatStream } from '../harness/http.ts'

export interface KeyedUpstream {
  readonly url: string
  /** The keys it accepts now; any other is answered with 401 and without its text. */
  readonly accepted: Set<string>
  /** Key → calls it came with, accepted or not. */
  readonly seen: Map<string, number>
  refusals: number
  close(): Promise<void>
}

/** A vendor that speaks OpenAI's chat and cares for nothing but the key. */
export async function keyedUpstream(...keys: readonly string[]): Promise<KeyedUpstream> {
  const accepted = new Set(keys)
  const seen = new Map<string, number>()
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', async () => {
      const key = (request.headers.authorization ?? '').replace('Bearer ', '')
      seen.set(key, (seen.get(key) ?? 0) + 1)
      if (!accepted.has(key)) {
        upstream.refusals++
        const error = { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' }
        response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
        return
      }
      const { stream, model } = JSON.parse(Buffer.concat(chunks).toString()) as { stream?: boolean; model: string }
      const base = { id: 'c', created: 1, model }
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
      if (stream !== true) {
        const choices = [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }]
        const body = JSON.stringify({ ...base, object: 'chat.completion', choices, usage })
        response.writeHead(200, { 'content-type': 'application/json' }).end(body)
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const event = (delta: object, finish_reason: string | null) =>
        `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })}\n\n`
      for (let i = 0; i < 5; i++) {
        response.write(event({ content: 'ok' }, null))
        await delay(10)
      }
      response.end(`${event({}, 'stop')}data: [DONE]\n\n`)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const upstream: KeyedUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accepted,
    seen,
    refusals: 0,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return upstream
}

export interface Load {
  /** Calls that ended, well or not. */
  done: number
  readonly failures: string[]
  stop(): Promise<void>
}

/** Callers that call without a pause, half of them for streams, until stopped. */
export function load(gateway: Gateway, model: string, callers = 12): Load {
  let running = true
  const state = { done: 0, failures: [] as string[] }
  const caller = async (stream: boolean): Promise<void> => {
    while (running) {
      const answer = stream ? await chatStream(gateway, model, 'hi') : await chat(gateway, model, 'hi')
      state.done++
      const whole = stream ? answer.events.at(-1)?.data === '[DONE]' && answer.end === 'clean' : true
      if (answer.status !== 200 || !whole) state.failures.push(`${answer.status} ${answer.text.slice(0, 300)}`)
    }
  }
  const callersRunning = Array.from({ length: callers }, (_, index) => caller(index % 2 === 0))
  return Object.assign(state, {
    async stop() {
      running = false
      await Promise.all(callersRunning)
    },
  })
}
