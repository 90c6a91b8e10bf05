import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventRuns, eachEvent, endOfLastEvent } from './event-runs.ts'

const eventText = fc
  .tuple(
    fc.constantFrom('', 'ping', 'delta'),
    fc.array(
      fc.string({ unit: 'grapheme' }).map(s => s.replace(/[\r\n]/g, '·')),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([event, data]) => ({ event, data }))

function render(events: readonly { event: string; data: readonly string[] }[], newline: string): Buffer {
  let text = ''
  for (const { event, data } of events) {
    if (event !== '') text += `event: ${event}${newline}`
    for (const line of data) text += `data: ${line}${newline}`
    text += newline
  }
  return Buffer.from(text)
}

function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  const chunks: Buffer[] = []
  let from = 0
  for (const place of [...places, bytes.length]) {
    if (place > from) chunks.push(bytes.subarray(from, place))
    from = Math.max(from, place)
  }
  return chunks
}

describe('EventRuns', () => {
  it('yields the same bytes, in whole events, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(eventText, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.nat(), { maxLength: 20 }),
        (events, newline, cuts) => {
          const bytes = render(events, newline)
          const runs = new EventRuns()
          const out: Buffer[] = []
          for (const chunk of chunksOf(bytes, cuts)) {
            const run = runs.push(chunk)
            if (run === undefined) continue
            expect(endOfLastEvent(run)).toBe(run.length)
            out.push(run)
          }
          expect(runs.rest()).toBeUndefined()
          expect(Buffer.concat(out).equals(bytes)).toBe(true)
          const seen: { event: string; data: string }[] = []
          for (const run of out) eachEvent(run, (event, data) => seen.push({ event, data }))
          expect(seen).toEqual(events.map(({ event, data }) => ({ event, data: data.join('\n') })))
        },
      ),
    )
  })

  it('hands over an unfinished last event at the end', () => {
    const runs = new EventRuns()
    expect(runs.push(Buffer.from('data: 1\n\ndata: 2'))?.toString()).toBe('data: 1\n\n')
    expect(runs.rest()?.toString()).toBe('data: 2')
  })

  it('refuses an event that never ends', () => {
    const runs = new EventRuns(100)
    expect(() => {
      for (let i = 0; i < 20; i++) runs.push(Buffer.from('data: xxxxx'))
    }).toThrow(RangeError)
  })
})
