import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SseEvent, SseParser } from './sse.ts'

function parse(chunks: readonly Buffer[]): SseEvent[] {
  const parser = new SseParser()
  const events: SseEvent[] = []
  for (const chunk of chunks) parser.push(chunk, event => events.push(event))
  parser.end(event => events.push(event))
  return events
}

const samples = [
  'data: a\n\ndata: b\n\n',
  'event: ping\r\ndata: {"x":"é😀"}\r\n\r\ndata: z\r\n\r\n',
  '\ufeffdata: bom\n\n: comment\n\nid: 7\nretry: 5\ndata:no space\ndata: two\n\n',
  'event: x\rdata: cr\r\rdata: y\r\r',
  'data: unfinished',
]

describe('SseParser', () => {
  it('reads events, names, several data lines, comments and a byte order mark', () => {
    expect(parse([Buffer.from(samples[2] as string)])).toEqual([
      { event: '', data: 'bom' },
      { event: '', data: 'no space\ntwo' },
    ])
    expect(parse([Buffer.from(samples[3] as string)])).toEqual([
      { event: 'x', data: 'cr' },
      { event: '', data: 'y' },
    ])
    expect(parse([Buffer.from(samples[4] as string)])).toEqual([{ event: '', data: 'unfinished' }])
  })

  it('gives the same events wherever the bytes are cut', () => {
    for (const sample of samples) {
      const bytes = Buffer.from(sample)
      const whole = parse([bytes])
      expect(parse([...bytes].map(byte => Buffer.from([byte])))).toEqual(whole)
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), cuts => {
          const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length]
          const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end))
          expect(parse(chunks)).toEqual(whole)
        }),
      )
    }
  })

  it('refuses a line without end, and an event without end', () => {
    const parser = new SseParser(50)
    expect(() => parser.push(Buffer.alloc(60, 97), () => {})).toThrow(RangeError)
    const pieces = new SseParser(50)
    expect(() => {
      for (let i = 0; i < 60; i++) pieces.push(Buffer.from('a'), () => {})
    }).toThrow(RangeError)
    const lines = new SseParser(50)
    expect(() => {
      for (let i = 0; i < 12; i++) lines.push(Buffer.from('data: 5678\n'), () => {})
    }).toThrow(RangeError)
  })
})
