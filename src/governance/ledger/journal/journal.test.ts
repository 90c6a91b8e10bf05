import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLogger } from '../../../platform/telemetry/logger.ts'
import { Journal, type JournalOptions } from './journal.ts'
import { openLine, sealLine } from './line.ts'
import { monotonicMs } from './listing.ts'
import { readSegment } from './read-segment.ts'
import { listSegments } from './segments.ts'

const instance = '0190a000-0000-7000-8000-000000000001'
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
let directory: string
let epoch: number
let journal: Journal

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'routeiq-journal-'))
  epoch = 1_000_000
})
afterEach(() => {
  journal?.close()
  rmSync(directory, { recursive: true, force: true })
})

function open(options: Partial<JournalOptions> = {}): Journal {
  journal = new Journal({
    directory,
    instance,
    maxBytes: 1_000_000,
    segmentBytes: 100_000,
    segmentAge: 60_000,
    onFull: 'refuse',
    fsync: 'never',
    clock: { now: () => epoch, epoch: () => epoch },
    log: createLogger({ level: 'silent' }),
    ...options,
  })
  return journal
}

async function everything(): Promise<string[]> {
  const found: string[] = []
  for (const { path } of listSegments(directory)) {
    for (const { json } of await readSegment(path, 0, 1000)) found.push(json ?? 'damaged')
  }
  return found
}

describe('a line', () => {
  it('is told from every shorter and every changed form of itself', () => {
    const line = Buffer.from(sealLine('["é",1]'))
    expect(openLine(line.subarray(0, -1))).toBe('["é",1]')
    for (let length = 0; length < line.length - 1; length++) expect(openLine(line.subarray(0, length))).toBeUndefined()
    for (let at = 0; at < line.length - 1; at++) {
      const changed = Buffer.from(line)
      changed[at] = changed[at]! ^ 1
      // '8 hex digits' has two spellings of a-f; both are the same number.
      expect(openLine(changed.subarray(0, -1))).toBeUndefined()
    }
  })
})

describe('the journal', () => {
  it('writes the lines of a turn at once, and tells their callers only then', async () => {
    open()
    const told: unknown[] = []
    for (const id of ['a', 'b', 'c']) {
      journal.append(`["${id}"]`, written => told.push([id, written, statSync(path()).size]))
    }
    expect(told).toEqual([])
    expect(statSync(path()).size).toBe(0)
    await turn()
    const whole = 3 * sealLine('["a"]').length
    expect(told).toEqual([
      ['a', true, whole],
      ['b', true, whole],
      ['c', true, whole],
    ])
    expect(await everything()).toEqual(['["a"]', '["b"]', '["c"]'])
  })

  it('does not wait for the turn with more than it wants to hold, and still tells nobody from inside append', async () => {
    open({ segmentBytes: 10_000_000, maxBytes: 10_000_000 })
    const told: boolean[] = []
    for (let index = 0; index < 40; index++) journal.append(JSON.stringify('x'.repeat(10_000)), ok => told.push(ok))
    expect(statSync(path()).size).toBeGreaterThan(200_000)
    expect(told).toEqual([])
    await turn()
    expect(told).toHaveLength(40)
  })

  it('one caller that throws does not keep the others waiting', async () => {
    open()
    let told = false
    journal.append('[]', () => {
      throw new Error('gone')
    })
    journal.append('[]', () => {
      told = true
    })
    await turn()
    expect(told).toBe(true)
  })

  it('a write torn at any byte leaves the lines before it readable, and nothing else', async () => {
    open()
    const lines = ['["first",1]', '["zweite Zeile é",2]', '["third",3]']
    for (const line of lines) journal.append(line)
    journal.flush()
    const whole = readFileSync(path())
    const ends = lines.map((_, index) =>
      lines.slice(0, index + 1).reduce((sum, line) => sum + Buffer.byteLength(sealLine(line)), 0),
    )
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path(), whole)
      truncateSync(path(), length)
      const read = await readSegment(path(), 0, 100)
      const complete = ends.filter(end => end <= length)
      expect(read.map(line => line.json)).toEqual(lines.slice(0, complete.length))
      expect(read.at(-1)?.end ?? 0).toBe(complete.at(-1) ?? 0)
    }
  })

  it('a damaged line costs that line alone, at every byte', async () => {
    open()
    for (const line of ['["first"]', '["second"]', '["third"]']) journal.append(line)
    journal.flush()
    const whole = readFileSync(path())
    const length = sealLine('["first"]').length
    // All but the line feed: without it two lines are one.
    for (let at = length; at < length + sealLine('["second"]').length - 1; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = damaged[at] === 0x58 ? 0x59 : 0x58
      writeFileSync(path(), damaged)
      expect((await readSegment(path(), 0, 100)).map(line => line.json)).toEqual(['["first"]', undefined, '["third"]'])
    }
  })

  it('reads lines longer than a slice, and stops at what can be no line', async () => {
    open({ segmentBytes: 1e9, maxBytes: 1e9 })
    const long = JSON.stringify('x'.repeat(1_000_000))
    journal.append('[1]')
    journal.append(long)
    journal.append('[2]')
    journal.flush()
    const first = await readSegment(path(), 0, 100)
    expect(first.map(line => line.json)).toEqual(['[1]'])
    const second = await readSegment(path(), first[0]!.end, 100)
    expect(second.map(line => line.json)).toEqual([long, '[2]'])
    writeFileSync(path(), Buffer.alloc(20_000_000, 120))
    const nonsense = await readSegment(path(), 0, 100)
    expect(nonsense).toHaveLength(1)
    expect(nonsense[0]).toMatchObject({ json: undefined })
    expect(nonsense[0]!.end).toBeGreaterThan(8_000_000)
  })

  it('turns to another file by size and by age, and never writes to an old one', async () => {
    open({ segmentBytes: 50 })
    for (let index = 0; index < 4; index++) {
      journal.append('["0123456789012345678901234567890"]')
      journal.flush()
    }
    expect(listSegments(directory).map(({ number }) => number)).toEqual([0, 1])
    epoch += 60_001
    journal.append('[]')
    journal.flush()
    expect(listSegments(directory)).toHaveLength(3)
    epoch -= 120_000
    journal.append('[]')
    journal.flush()
    expect(listSegments(directory)).toHaveLength(4)
    expect(await everything()).toHaveLength(6)
  })

  it.each(['refuse', 'drop'] as const)('full, it will %s', async onFull => {
    open({ onFull, maxBytes: 2000, segmentBytes: 1000 })
    const outcomes: boolean[] = []
    const line = JSON.stringify('x'.repeat(81))
    for (let index = 0; index < 50; index++) {
      journal.append(line, written => outcomes.push(written))
      await turn()
    }
    const size = sealLine(line).length
    const taken = outcomes.filter(Boolean).length
    expect(outcomes).toHaveLength(50)
    // Refusing leaves one file's room for the calls that were let in before it was full.
    expect(taken).toBe(Math.ceil((onFull === 'refuse' ? 3000 : 2000) / size))
    expect(journal.dropped).toBe(50 - taken)
    expect(journal.accepting).toBe(onFull === 'drop')
    // Somebody shipped and deleted what was there before.
    journal.observe({ others: 0, own: [], at: monotonicMs() })
    expect(journal.accepting).toBe(true)
    journal.append(line, written => outcomes.push(written))
    await turn()
    expect(outcomes.at(-1)).toBe(true)
  })

  it('keeps records in memory while the disk takes none, refuses new calls, and writes them when it can', async () => {
    open()
    journal.append('["before"]')
    journal.flush()
    // A directory that is a file takes no segments, for root neither.
    epoch += 60_001
    rmSync(directory, { recursive: true })
    writeFileSync(directory, '')
    const outcomes: boolean[] = []
    journal.append('["during"]', written => outcomes.push(written))
    await turn()
    journal.append('["too"]', written => outcomes.push(written))
    await turn()
    expect(outcomes).toEqual([false, false])
    expect(journal.accepting).toBe(false)
    expect(journal.failing).toBe(true)
    rmSync(directory)
    const deadline = Date.now() + 10_000
    while (journal.failing && Date.now() < deadline) await pause(50)
    expect(journal.accepting).toBe(true)
    expect(await everything()).toEqual(['["during"]', '["too"]'])
    expect(journal.dropped).toBe(0)
  })

  it('does not start on a directory that takes no files', () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    expect(() => open({ directory: file })).toThrow(/EEXIST|ENOTDIR/)
    if (process.getuid?.() !== 0) {
      chmodSync(directory, 0o500)
      expect(() => open()).toThrow(/EACCES/)
    }
    directory = mkdtempSync(join(tmpdir(), 'routeiq-journal-'))
    open()
  })

  it.each(['interval', 'always'] as const)('writes all the same with fsync %s', async fsync => {
    open({ fsync })
    let told = false
    journal.append('[1]', written => {
      told = written
    })
    await turn()
    expect(told).toBe(true)
    expect(await everything()).toEqual(['[1]'])
  })

  it('after the end takes nothing', async () => {
    open()
    journal.append('[1]')
    journal.close()
    let outcome: boolean | undefined
    journal.append('[2]', written => {
      outcome = written
    })
    await turn()
    expect(outcome).toBe(false)
    expect(await everything()).toEqual(['[1]'])
  })
})

const path = (): string => listSegments(directory)[0]!.path
