import { describe, expect, it } from 'vitest'
import { openaiWire } from '../../providers/openai/wire.ts'
import { RelayReader } from './stream-reader.ts'

const event = (data: object | string): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const text = (content: string) => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
const usage = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })
const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })

function relay(reader: RelayReader, pieces: readonly string[]): string {
  const out = pieces.map(piece => reader.push(Buffer.from(piece)) ?? '')
  out.push(reader.end() ?? '')
  return out.map(String).join('')
}

describe('RelayReader', () => {
  it.each([
    ['event by event', (all: string[]) => all],
    ['in one piece', (all: string[]) => [all.join('')]],
    ['byte by byte', (all: string[]) => [...all.join('')]],
  ])('keeps the usage that came before [DONE], %s', (_name, cut) => {
    const all = [text('a'), text('b'), finish, usage, event('[DONE]')]
    const reader = new RelayReader(openaiWire, false)
    expect(relay(reader, cut(all))).toBe(all.join(''))
    expect(reader.usage).toMatchObject({ input: 3, output: 2 })
  })

  it('leaves out usage the caller did not ask for, and still counts it', () => {
    const reader = new RelayReader(openaiWire, true)
    expect(relay(reader, [text('a'), finish, usage, event('[DONE]')])).toBe(text('a') + finish + event('[DONE]'))
    expect(reader.usage).toMatchObject({ input: 3, output: 2 })
  })

  it('puts the cost into the usage chunk', () => {
    const reader = new RelayReader(openaiWire, false, counted => (counted.input + counted.output) / 10)
    const out = relay(reader, [text('a'), finish, usage, event('[DONE]')])
    expect(out).toContain('"total_tokens":5,"cost":0.5}')
    expect(reader.usage).toMatchObject({ input: 3, output: 2 })
  })

  it('throws when the stream ends early', () => {
    const reader = new RelayReader(openaiWire, false)
    reader.push(Buffer.from(text('a')))
    expect(() => reader.end()).toThrow(/ended before it was complete/)
  })
})
