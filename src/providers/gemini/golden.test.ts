import { describe, expect, it } from 'vitest'
import type { ChatChunk, ChatResponse } from '../../translate/openai/types.ts'
import { decodeStream, type Fixture, fixtures, hubRequest, sseText, stable, targetFor } from './golden.fixtures.ts'
import { geminiWire } from './wire.ts'

interface Failing extends Fixture {
  readonly failure?: Record<string, unknown>
}

interface RequestFixture extends Failing {
  readonly expect?: { path: string; droppedParams: string[]; body: unknown }
}

interface ResponseFixture extends Failing {
  readonly wire: unknown
  readonly expect?: ChatResponse
}

interface StreamFixture extends Failing {
  readonly events: unknown[]
  readonly expect?: ChatChunk[]
}

/** Runs `work` and checks what it gives or throws against the fixture. */
function check(fixture: Failing & { expect?: unknown }, work: () => unknown): void {
  if (fixture.failure === undefined) {
    expect(work()).toEqual(fixture.expect)
    return
  }
  let thrown: unknown
  try {
    work()
  } catch (error) {
    thrown = error
  }
  const { message, ...details } = fixture.failure
  expect(thrown).toBeInstanceOf(Error)
  expect(thrown).toMatchObject(details)
  expect((thrown as Error).message).toBe(message)
}

describe('hub request → generateContent', () => {
  it.each(fixtures<RequestFixture>('requests'))('%s', (_name, fixture) => {
    const hub = hubRequest(fixture)
    const before = structuredClone(hub)
    check(fixture, () => {
      const { request, droppedParams } = geminiWire.chat(hub, targetFor(fixture.target))
      return { path: request.path, droppedParams, body: JSON.parse(request.body) }
    })
    // Another deployment may get the same request after this one failed.
    expect(hub).toEqual(before)
  })
})

describe('generateContent answer → hub', () => {
  it.each(fixtures<ResponseFixture>('responses'))('%s', (_name, fixture) => {
    check(fixture, () => stable(geminiWire.chat(hubRequest(fixture), targetFor(fixture.target)).decode(fixture.wire)))
  })
})

describe('streamGenerateContent → hub chunks', () => {
  it.each(fixtures<StreamFixture>('streams'))('%s', (_name, fixture) => {
    check(fixture, () => {
      const exchange = geminiWire.chat({ ...hubRequest(fixture), stream: true }, targetFor(fixture.target))
      return stable(decodeStream(exchange, [Buffer.from(sseText(fixture.events))]))
    })
  })

  it.each(fixtures<StreamFixture>('streams'))('%s, cut at every byte', (_name, fixture) => {
    const bytes = Buffer.from(sseText(fixture.events))
    const exchange = geminiWire.chat({ ...hubRequest(fixture), stream: true }, targetFor(fixture.target))
    if (fixture.failure !== undefined) {
      const single = [...bytes].map(byte => Buffer.from([byte]))
      expect(() => decodeStream(exchange, single)).toThrow(String(fixture.failure['message']))
      return
    }
    for (let at = 1; at < bytes.length; at++) {
      const chunks = decodeStream(exchange, [bytes.subarray(0, at), bytes.subarray(at)])
      expect(stable(chunks)).toEqual(fixture.expect)
    }
  })
})

describe('the same answer, streamed or not', () => {
  it.each(fixtures<ResponseFixture>('responses').filter(([, fixture]) => fixture.expect !== undefined))(
    '%s',
    (_name, fixture) => {
      const exchange = geminiWire.chat({ ...hubRequest(fixture), stream: true }, targetFor(fixture.target))
      const chunks = decodeStream(exchange, [Buffer.from(sseText([fixture.wire].flat()))])
      for (const choice of fixture.expect?.choices ?? []) {
        const streamed = chunks.flatMap(chunk => chunk.choices.filter(({ index }) => index === choice.index))
        const content = streamed.map(({ delta }) => delta.content ?? '').join('')
        expect(content).toBe(choice.message.content ?? '')
        const reasoning = streamed.map(({ delta }) => delta.reasoning_content ?? '').join('')
        expect(reasoning).toBe(choice.message.reasoning_content ?? '')
        const calls = streamed.flatMap(({ delta }) => delta.tool_calls ?? [])
        expect(calls.map(call => call.function)).toEqual((choice.message.tool_calls ?? []).map(call => call.function))
        expect(calls.map(call => call.index)).toEqual(calls.map((_call, index) => index))
        expect(streamed.filter(part => part.finish_reason !== null)).toHaveLength(1)
        expect(streamed.at(-1)?.finish_reason).toBe(choice.finish_reason)
      }
      expect(chunks.at(-1)?.usage).toEqual(fixture.expect?.usage)
    },
  )
})
