import zlib from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { events, scene } from './attempt.fixtures.ts'
import type { AttemptResult } from './attempt.ts'

const sse = { 'content-type': 'text/event-stream' }
const json = { 'content-type': 'application/json' }
const reset = () => Object.assign(new Error('reset'), { code: 'ECONNRESET' })

/** A stream's last piece, kept back until the call is in the books. */
const tailOf = (result: AttemptResult): string => (result.kind === 'streamed' ? String(result.tail ?? '') : '')

describe('an attempt', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  describe('that streams', () => {
    it('holds the head until there is content', async () => {
      const s = scene()
      s.head(200, sse)
      s.data(events.role)
      expect([s.log, s.response.written]).toEqual([[], []])
      s.data(events.text)
      expect([s.log, s.response.written]).toEqual([['head'], [events.role, events.text]])
      s.data(events.finish + events.done)
      s.end()
      expect(await s.done).toMatchObject({ kind: 'streamed', failure: undefined })
      // Whoever keeps the books ends it, when they are written.
      expect([s.response.ended, vi.getTimerCount()]).toEqual([false, 0])
    })

    it('fails without a trace when the error comes before content', async () => {
      const s = scene()
      s.head(200, sse)
      s.data(events.role + events.error)
      expect(await s.done).toMatchObject({ kind: 'failed', failure: { kind: 'internal_server' } })
      expect([s.log, s.response.written, s.response.ended]).toEqual([['abort'], [], false])
    })

    it('sends what came before an error; the error is the last piece', async () => {
      const s = scene()
      s.head(200, sse)
      s.data(events.text)
      s.data(events.text + events.error)
      const result = await s.done
      expect(result).toMatchObject({ kind: 'streamed', failure: { kind: 'internal_server' } })
      expect(s.response.written.join('') + tailOf(result)).toBe(`${events.text}${events.text}[error upstream_error]`)
      expect(s.response.ended).toBe(false)
    })

    it('gives the head up after the commit wait, content or not', () => {
      const s = scene()
      s.head(200, sse)
      s.data(events.role)
      vi.advanceTimersByTime(199)
      expect(s.log).toEqual([])
      vi.advanceTimersByTime(1)
      expect([s.log, s.response.written]).toEqual([['head'], [events.role]])
    })

    it('is complete once its finish was read, however the connection ends', async () => {
      const s = scene()
      s.head(200, sse)
      s.data(events.text + events.finish)
      s.data(events.done.slice(0, 5))
      s.fail(reset())
      expect(await s.done).toMatchObject({ kind: 'streamed', failure: undefined })
      expect(s.response.written.join('')).toBe(events.text + events.finish)
    })

    it('is broken when the connection ends before the finish', async () => {
      const s = scene()
      s.head(200, sse)
      s.data(events.text)
      s.fail(reset())
      const result = await s.done
      expect(result).toMatchObject({ kind: 'streamed', failure: { code: 'upstream_unreachable' } })
      expect(s.response.written.join('') + tailOf(result)).toBe(`${events.text}[error upstream_unreachable]`)
    })

    it('pauses the upstream while the caller is full, and goes on when it drains', () => {
      const s = scene()
      s.head(200, sse)
      s.response.takes = false
      s.data(events.text)
      s.data(events.text)
      expect(s.log).toEqual(['head', 'pause'])
      s.response.takes = true
      s.response.emit('drain')
      expect(s.log).toEqual(['head', 'pause', 'resume'])
    })

    it('leaves a caller that stays full, and the upstream', async () => {
      const s = scene()
      s.head(200, sse)
      s.response.takes = false
      s.data(events.text)
      vi.advanceTimersByTime(500)
      expect(await s.done).toEqual({ kind: 'aborted' })
      expect([s.log.at(-1), s.response.destroyed, s.response.listenerCount('drain')]).toEqual(['abort', true, 0])
    })

    it('allows the first content its time, and each silence its own', async () => {
      const s = scene()
      s.head(200, sse)
      vi.advanceTimersByTime(900)
      s.data(events.text)
      for (let i = 0; i < 5; i++) {
        vi.advanceTimersByTime(499)
        s.data(events.text)
      }
      expect(s.result).toBeUndefined()
      vi.advanceTimersByTime(500)
      expect(await s.done).toMatchObject({ failure: { kind: 'timeout', message: 'Vendor: was silent for 0.5 s.' } })
    })

    it('unpacks events as they come', async () => {
      const s = scene()
      s.head(200, { ...sse, 'content-encoding': 'gzip' })
      s.data(zlib.gzipSync(events.text + events.finish + events.done))
      s.end()
      expect(await s.done).toMatchObject({ kind: 'streamed', failure: undefined })
      expect(s.response.written.join('')).toBe(events.text + events.finish + events.done)
    })
  })

  describe('with a plain answer', () => {
    it('hands it over whole', async () => {
      const s = scene({ stream: false })
      s.head(200, json)
      s.data('{"a"')
      s.data(':1}')
      s.end()
      expect(await s.done).toMatchObject({ kind: 'answer', answer: { text: '{"a":1}' } })
    })

    it('keeps the status of a refusal whose body cannot be read', async () => {
      const s = scene({ stream: false })
      s.head(429, { ...json, 'content-encoding': 'gzip', 'retry-after': '7' })
      s.data('no gzip')
      s.end()
      expect(await s.done).toMatchObject({ failure: { kind: 'rate_limit', status: 429, retryAfter: 7 } })
    })

    it('stops reading at the limit', async () => {
      const s = scene({ stream: false })
      s.head(200, json)
      s.data('x'.repeat(10_001))
      expect(await s.done).toMatchObject({ failure: { kind: 'bad_gateway' } })
      expect(s.log).toEqual(['abort'])
    })

    it('settles once, whatever comes after', async () => {
      const s = scene({ stream: false })
      vi.advanceTimersByTime(1000)
      expect(await s.done).toMatchObject({ failure: { kind: 'timeout' } })
      s.head(200, json)
      s.data('{}')
      s.end()
      s.fail(reset())
      s.leave()
      expect([s.log, s.response.written]).toEqual([['abort'], []])
    })

    it('survives a defect in a decoder, and says whose it is', async () => {
      const s = scene({ stream: false })
      s.head(200, json)
      s.data('boom')
      s.end()
      expect(await s.done).toMatchObject({ kind: 'failed', failure: { status: 500, code: 'internal_error' } })
    })
  })

  describe('whose caller leaves', () => {
    it('aborts the upstream in the same tick', async () => {
      const s = scene()
      s.leave()
      expect([s.log, vi.getTimerCount()]).toEqual([['abort'], 0])
      expect(await s.done).toEqual({ kind: 'aborted' })
    })

    it('reads on where the operator wants every answer booked', async () => {
      const s = scene({ cancelOnDisconnect: false })
      s.head(200, sse)
      s.response.takes = false
      s.data(events.text)
      s.leave()
      expect(s.log).toEqual(['head', 'pause', 'resume'])
      s.data(events.finish)
      s.end()
      expect(await s.done).toMatchObject({ kind: 'streamed', failure: undefined })
    })
  })
})
