import { describe, expect, it } from 'vitest'
import { isRequestId, newId } from './ids.ts'

describe('newId', () => {
  it('is a UUIDv7 that carries the time', () => {
    const future = Date.now() + 1000
    const id = newId(future)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(future)
  })

  it('sorts in the order of making, within a millisecond, over its overflow and when the clock steps back', () => {
    const ms = Date.now() + 60_000
    const ids = Array.from({ length: 20_000 }, () => newId(ms))
    ids.push(newId(ms - 5000), newId(ms + 100), newId(0))
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('has random tails', () => {
    const tails = new Set(Array.from({ length: 10_000 }, () => newId().slice(19)))
    expect(tails.size).toBe(10_000)
    for (let digit = 0; digit < 12; digit++) {
      expect(new Set([...tails].map(tail => tail[5 + digit])).size).toBe(16)
    }
  })
})

describe('isRequestId', () => {
  it.each(['a', 'A-Z_0.9:x', newId(), 'x'.repeat(128)])('takes %j', text => {
    expect(isRequestId(text)).toBe(true)
  })

  it.each([
    undefined,
    '',
    'x'.repeat(129),
    'a b',
    'a\n',
    'a/b',
    'a;b',
    'a@b',
    'a[b',
    'a`b',
    'a{b',
    'ä',
    '\u212a',
    'a\0',
  ])('refuses %j', text => {
    expect(isRequestId(text)).toBe(false)
  })
})
