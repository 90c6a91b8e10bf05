import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DirectoryLock } from './directory-lock.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'routeiq-lock-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const lock = (instance: string): DirectoryLock => new DirectoryLock(directory, 'x.lock', instance)
const path = (): string => join(directory, 'x.lock')
const holder = (): Record<string, unknown> => JSON.parse(readFileSync(path(), 'utf8')) as Record<string, unknown>

describe('the lock of a directory', () => {
  it('is held by one, kept by asking again, and free after its release', () => {
    const [a, b] = [lock('a'), lock('b')]
    expect([a.hold(), b.hold(), a.hold(), b.hold()]).toEqual([true, false, true, false])
    b.release()
    expect(b.hold()).toBe(false)
    a.release()
    expect([b.hold(), a.hold()]).toEqual([true, false])
    expect(readdirSync(directory)).toEqual(['x.lock'])
  })

  it('outlives nobody: that of a process that was killed is taken over', async () => {
    lock('dead').hold()
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    writeFileSync(path(), JSON.stringify({ ...holder(), pid: child.pid, started: fields[19] }))
    expect(lock('b').hold()).toBe(false)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(lock('b').hold()).toBe(true)
  })

  it('knows a process id that was given to another process', () => {
    lock('dead').hold()
    writeFileSync(path(), JSON.stringify({ ...holder(), instance: 'dead', started: '1' }))
    expect(lock('b').hold()).toBe(true)
  })

  it('believes a holder in another container while it shows signs of life', () => {
    lock('far').hold()
    writeFileSync(path(), JSON.stringify({ ...holder(), namespace: 'elsewhere' }))
    expect(lock('b').hold()).toBe(false)
    const before = new Date(Date.now() - 61_000)
    utimesSync(path(), before, before)
    expect(lock('b').hold()).toBe(true)
  })

  it('takes over what nobody can have written, once it is old', () => {
    writeFileSync(path(), '{"torn')
    expect(lock('b').hold()).toBe(false)
    const before = new Date(Date.now() - 61_000)
    utimesSync(path(), before, before)
    expect(lock('b').hold()).toBe(true)
  })

  it('a holder whose lock was taken away knows it', () => {
    const a = lock('a')
    a.hold()
    rmSync(path())
    const b = lock('b')
    expect(b.hold()).toBe(true)
    expect(a.hold()).toBe(false)
    a.release()
    expect(b.hold()).toBe(true)
  })

  it('one of many that find it stale gets it', () => {
    for (let round = 0; round < 20; round++) {
      writeFileSync(path(), JSON.stringify({ instance: 'dead', pid: 1, started: '1', namespace: 'elsewhere' }))
      const before = new Date(Date.now() - 61_000)
      utimesSync(path(), before, before)
      const held = Array.from({ length: 5 }, (_, index) => lock(`i${index}`)).filter(candidate => candidate.hold())
      expect(held).toHaveLength(1)
      held[0]!.release()
    }
  })
})
