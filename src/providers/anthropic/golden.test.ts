import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk, ChatRequest } from '../../translate/openai/types.ts'
import { decodeResponse } from '../../translate/openai-anthropic/decode-response.ts'
import { AnthropicStreamDecoder } from '../../translate/openai-anthropic/decode-stream.ts'
import { type EncodeOptions, encodeRequest } from '../../translate/openai-anthropic/encode-request.ts'
import { SseParser } from '../../translate/sse.ts'
import { failureOfError } from './failure.ts'

/** `UPDATE_GOLDEN=1` rewrites the expected halves; read the diff before you keep it. */
const update = process.env['UPDATE_GOLDEN'] === '1'
const root = new URL('./fixtures/', import.meta.url)

type Fixture = Record<string, unknown>

function fixtures(kind: string): string[] {
  return readdirSync(new URL(`${kind}/`, root))
    .filter(name => name.endsWith('.json'))
    .map(name => name.slice(0, -5))
}

const fileOf = (kind: string, name: string): URL => new URL(`${kind}/${name}.json`, root)
const read = (kind: string, name: string): Fixture => JSON.parse(readFileSync(fileOf(kind, name), 'utf8')) as Fixture

function check(kind: string, name: string, fixture: Fixture, expected: Fixture): void {
  // What JSON cannot say (undefined, symbols) is not part of what is sent or answered either.
  const actual = JSON.parse(JSON.stringify(expected)) as Fixture
  if (update) {
    writeFileSync(fileOf(kind, name), `${JSON.stringify({ ...fixture, ...actual }, null, 2)}\n`)
    return
  }
  for (const key of Object.keys(actual)) expect(fixture[key], key).toEqual(actual[key])
}

const options = (target: object): EncodeOptions => ({
  model: 'claude-sonnet-4-5',
  capabilities: {},
  dropParams: false,
  additionalDropParams: [],
  allowedOpenaiParams: [],
  modifyParams: false,
  ...target,
})

function replyOptions(request: unknown) {
  const { reply } = encodeRequest(request as ChatRequest, options({}))
  return { reply, created: 1_700_000_000, failure: failureOfError }
}

describe('requests', () => {
  it.each(fixtures('requests'))('%s', name => {
    const fixture = read('requests', name)
    const { body, betas, droppedParams } = encodeRequest(
      fixture['request'] as ChatRequest,
      options(fixture['target'] as object),
    )
    check('requests', name, fixture, { body, betas, droppedParams })
  })
})

describe('responses', () => {
  it.each(fixtures('responses'))('%s', name => {
    const fixture = read('responses', name)
    check('responses', name, fixture, { hub: decodeResponse(fixture['message'], replyOptions(fixture['request'])) })
  })
})

/** A chunk without what is the same in all of them. */
function brief(chunk: ChatChunk): object {
  const [choice] = chunk.choices
  const { id: _id, object: _object, created: _created, model: _model, choices: _choices, ...rest } = chunk
  if (choice === undefined) return { choices: [], ...rest }
  const { index: _index, finish_reason, ...said } = choice
  return { ...said, ...(finish_reason === null ? {} : { finish_reason }), ...rest }
}

describe('streams', () => {
  it.each(fixtures('streams'))('%s', name => {
    const fixture = read('streams', name)
    const decoder = new AnthropicStreamDecoder(replyOptions(fixture['request']))
    const chunks: ChatChunk[] = []
    const parser = new SseParser()
    let failure: object | null = null
    try {
      parser.push(readFileSync(new URL(`streams/${name}.txt`, root)), event => decoder.push(event, chunks))
      parser.end(event => decoder.push(event, chunks))
      decoder.end(chunks)
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      const { kind, code, status, message, vendorCode } = error
      failure = { kind, code, status, message, ...(vendorCode === undefined ? {} : { vendorCode }) }
    }
    check('streams', name, fixture, { chunks: chunks.map(brief), failure })
  })
})
