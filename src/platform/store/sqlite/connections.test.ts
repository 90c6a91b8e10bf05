import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { StoreUnavailable } from '../store.ts'
import { Connections } from './connections.ts'

let folder = ''
let connections: Connections
let outages: StoreUnavailable[]

beforeEach(async () => {
  outages = []
  folder = mkdtempSync(join(tmpdir(), 'routeiq-connections-'))
  connections = new Connections(join(folder, 'x.db'), 5000, error => outages.push(error))
  await connections.writer.run('create table "keys" (n integer)', [])
  await connections.writer.run('create table "ledger" (n integer)', [])
  connections.serve()
})
afterEach(async () => {
  vi.useRealTimers()
  await connections.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Threads of this process that have a connection which only reads (Linux names them). */
function readers(): number {
  const names = readdirSync('/proc/self/task').map(id => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim())
  return names.filter(name => name === 'sqlite reader').length
}

const short = 'select count(*) as n from "keys"'
const long = 'select count(*) as n from "ledger"'

describe.runIf(process.platform === 'linux')('connections of a file', () => {
  it('take no thread for short reads while nobody writes', async () => {
    expect(await Promise.all([1, 2, 3].map(() => connections.read(short, [])))).toMatchObject(
      [1, 2, 3].map(() => ({ rows: [{ n: 0 }] })),
    )
    expect(readers()).toBe(0)
  })

  it('let no read wait for a transaction, nor see what it has not committed', async () => {
    const giveTurnBack = await connections.turns.take()
    await connections.writer.run('begin immediate', [])
    await connections.writer.run('insert into "keys" values (1)', [])
    expect((await connections.read(short, [])).rows).toEqual([{ n: 0 }])
    expect(readers()).toBe(1)
    await connections.writer.run('commit', [])
    giveTurnBack()
    expect((await connections.read(short, [])).rows).toEqual([{ n: 1 }])
  })

  it('keep reads of what grows from the one that writes, and close the reader after', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await connections.read(long, [])
    expect(readers()).toBe(1)
    vi.advanceTimersByTime(9000)
    await connections.read(long, [])
    vi.advanceTimersByTime(9000)
    expect(readers()).toBe(1)
    vi.advanceTimersByTime(2000)
    vi.useRealTimers()
    for (let waited = 0; readers() > 0 && waited < 400; waited++) await sleep(25)
    expect(readers()).toBe(0)
    expect((await connections.read(long, [])).rows).toEqual([{ n: 0 }])
    expect(outages, 'that a reader was closed is none').toEqual([])
  })
})
