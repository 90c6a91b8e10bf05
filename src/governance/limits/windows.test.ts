import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { after as addDuration, type Duration, formatDuration, parseDuration } from './durations.ts'
import { Calendar, parseResetTime } from './windows.ts'

const at = (text: string): number => Date.parse(text)
const iso = (epoch: number): string => new Date(epoch).toISOString().replace('.000Z', 'Z')

function shown(calendar: Calendar, duration: string, now: string): string {
  const { start, end } = calendar.window(parseDuration(duration)!, at(now))
  return `${iso(start)} – ${iso(end)}`
}

describe('durations', () => {
  it.each([
    ['30s', '30s'],
    ['30m', '1800s'],
    ['30h', '108000s'],
    ['24h', '1d'],
    ['30d', '30d'],
    ['1w', '7d'],
    ['1mo', '1mo'],
    ['1y', '12mo'],
    ['90', '90s'],
    [' 2D ', '2d'],
  ])('%s is %s', (text, canonical) => {
    expect(formatDuration(parseDuration(text)!)).toBe(canonical)
    expect(parseDuration(canonical), 'canonical text reads the same').toEqual(parseDuration(text))
  })

  it.each(['', 'none', '0d', '-1d', '1.5h', '30 days', 'mo', '999999999d', null, undefined, {}])('%s is none', text => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it('a month after the 31st ends with the month', () => {
    expect(iso(addDuration(at('2024-01-31T10:00:00Z'), { unit: 'months', length: 1 }))).toBe('2024-02-29T10:00:00Z')
    expect(iso(addDuration(at('2024-01-31T10:00:00Z'), { unit: 'days', length: 30 }))).toBe('2024-03-01T10:00:00Z')
  })
})

describe('calendar windows', () => {
  const utc = new Calendar()
  it.each([
    ['1d', '2026-11-23T08:00:00Z', '2026-11-23T00:00:00Z – 2026-11-24T00:00:00Z'],
    ['1d', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z – 2026-11-24T00:00:00Z'],
    ['7d', '2026-11-25T08:00:00Z', '2026-11-23T00:00:00Z – 2026-11-30T00:00:00Z'],
    ['1w', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z – 2026-11-30T00:00:00Z'],
    ['30d', '2026-12-31T23:59:59Z', '2026-12-01T00:00:00Z – 2027-01-01T00:00:00Z'],
    ['1mo', '2024-02-29T12:00:00Z', '2024-02-01T00:00:00Z – 2024-03-01T00:00:00Z'],
    ['3mo', '2026-11-23T08:00:00Z', '2026-10-01T00:00:00Z – 2027-01-01T00:00:00Z'],
    ['1h', '2026-11-23T08:59:59Z', '2026-11-23T08:00:00Z – 2026-11-23T09:00:00Z'],
    ['30s', '2026-11-23T08:00:31Z', '2026-11-23T08:00:30Z – 2026-11-23T08:01:00Z'],
    ['10d', '2024-01-10T23:00:00Z', '2024-01-01T00:00:00Z – 2024-01-11T00:00:00Z'],
    ['10d', '2023-12-31T23:00:00Z', '2023-12-22T00:00:00Z – 2024-01-01T00:00:00Z'],
  ])('%s at %s in UTC', (duration, now, expected) => {
    expect(shown(utc, duration, now)).toBe(expected)
  })

  it('begins at the reset time, in the time zone', () => {
    const berlin = new Calendar('Europe/Berlin', parseResetTime('06:30'))
    expect(shown(berlin, '1d', '2026-11-23T05:29:59Z')).toBe('2026-11-22T05:30:00Z – 2026-11-23T05:30:00Z')
    expect(shown(berlin, '1d', '2026-11-23T05:30:00Z')).toBe('2026-11-23T05:30:00Z – 2026-11-24T05:30:00Z')
    expect(shown(berlin, '30d', '2026-12-01T05:00:00Z')).toBe('2026-11-01T05:30:00Z – 2026-12-01T05:30:00Z')
    expect(shown(new Calendar('Asia/Kolkata'), '1d', '2026-11-23T18:29:59Z')).toBe(
      '2026-11-22T18:30:00Z – 2026-11-23T18:30:00Z',
    )
  })

  it('a day is 23 or 25 hours long when the clocks change', () => {
    const berlin = new Calendar('Europe/Berlin')
    expect(shown(berlin, '1d', '2026-03-29T12:00:00Z')).toBe('2026-03-28T23:00:00Z – 2026-03-29T22:00:00Z')
    expect(shown(berlin, '1d', '2026-10-25T12:00:00Z')).toBe('2026-10-24T22:00:00Z – 2026-10-25T23:00:00Z')
    // 02:30 does not exist on 29 March (it is 03:30 then), and comes twice on 25 October (the first counts).
    const night = new Calendar('Europe/Berlin', 150)
    expect(shown(night, '1d', '2026-03-29T12:00:00Z')).toBe('2026-03-29T01:30:00Z – 2026-03-30T00:30:00Z')
    expect(shown(night, '1d', '2026-10-25T12:00:00Z')).toBe('2026-10-25T00:30:00Z – 2026-10-26T01:30:00Z')
    expect(shown(new Calendar('America/New_York'), '7d', '2026-11-01T12:00:00Z')).toBe(
      '2026-10-26T04:00:00Z – 2026-11-02T05:00:00Z',
    )
  })

  it('survives a day that a country skipped', () => {
    // Samoa went from 29 to 31 December 2011.
    const apia = new Calendar('Pacific/Apia')
    expect(shown(apia, '1d', '2011-12-30T09:59:59Z')).toBe('2011-12-29T10:00:00Z – 2011-12-30T10:00:00Z')
    expect(shown(apia, '1d', '2011-12-30T10:00:00Z')).toBe('2011-12-30T10:00:00Z – 2011-12-31T10:00:00Z')
  })

  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia']
  const zone = fc.constantFrom(...zones, 'Africa/Cairo', 'America/Santiago', 'Pacific/Kiritimati')
  const moment = fc.integer({ min: at('2005-01-01T00:00:00Z'), max: at('2045-01-01T00:00:00Z') })
  const duration: fc.Arbitrary<Duration> = fc.oneof(
    fc.record({ unit: fc.constant('ms' as const), length: fc.integer({ min: 1, max: 200_000 }).map(s => s * 1000) }),
    fc.record({ unit: fc.constant('days' as const), length: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ unit: fc.constant('months' as const), length: fc.integer({ min: 1, max: 24 }) }),
  )

  it('windows hold their moment, follow one another without gap, and are as long as they say', () => {
    fc.assert(
      fc.property(zone, fc.integer({ min: 0, max: 1439 }), moment, duration, (name, reset, now, length) => {
        const calendar = new Calendar(name, reset)
        const { start, end } = calendar.window(length, now)
        expect(start).toBeLessThanOrEqual(now)
        expect(end).toBeGreaterThan(now)
        expect(calendar.window(length, start)).toEqual({ start, end })
        expect(calendar.window(length, end - 1)).toEqual({ start, end })
        expect(calendar.window(length, end).start).toBe(end)
        expect(calendar.window(length, start - 1).end).toBe(start)
        const days = length.unit === 'months' ? length.length * 31 : length.length
        const most = length.unit === 'ms' ? length.length : Math.max(days, 31) * 86_400_000 + 2 * 3_600_000
        expect(end - start).toBeLessThanOrEqual(most)
      }),
      { numRuns: 400 },
    )
  })

  it('calendar windows begin at the reset time on local clocks', () => {
    fc.assert(
      fc.property(
        zone,
        fc.integer({ min: 240, max: 1439 }),
        moment,
        fc.integer({ min: 1, max: 60 }),
        (name, reset, now, days) => {
          const { start } = new Calendar(name, reset).window({ unit: 'days', length: days }, now)
          const clock = new Intl.DateTimeFormat('en-GB', { timeZone: name, hour: '2-digit', minute: '2-digit' })
          const expected = `${String(Math.floor(reset / 60)).padStart(2, '0')}:${String(reset % 60).padStart(2, '0')}`
          // A boundary on Samoa's missing day falls together with the next one.
          if (name === 'Pacific/Apia' && iso(start).startsWith('2011-12-')) return
          expect(clock.format(start)).toBe(expected)
        },
      ),
      { numRuns: 300 },
    )
  })
})

it.each([
  ['00:00', 0],
  ['6:05', 365],
  ['23:59', 1439],
  ['24:00', undefined],
  ['noon', undefined],
])('reset time %s', (text, minutes) => expect(parseResetTime(text)).toBe(minutes))
