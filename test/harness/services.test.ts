import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodePath, root } from './gateway.ts'
import { type Service, services, startPostgres, usable } from './services.ts'

describe('a service that is not installed', () => {
  it('skips the tests with a word, and fails them in CI', () => {
    expect(usable(undefined, { CI: 'true' })).toBe(true)
    expect(usable('Nothing is not installed', {})).toBe(false)
    expect(() => usable('Nothing is not installed', { CI: 'true' })).toThrow(/Nothing is not installed.*CI/)
  })
})

describe.skipIf(!services.postgres)('PostgreSQL for tests', () => {
  let postgres: Service
  beforeAll(async () => {
    postgres = await startPostgres({ settings: { log_statement: 'all' } })
  })
  afterAll(() => postgres.stop())

  const ask = async (sql: string, timeout = 2000): Promise<unknown> => {
    const client = new pg.Client({ connectionString: postgres.url, connectionTimeoutMillis: timeout })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(sql)).rows[0]
    } finally {
      await client.end()
    }
  }

  it('answers, and keeps its data over a kill', async () => {
    await ask('create table kept as select 1 as value')
    expect(postgres.logs()).toContain('create table kept')
    await postgres.kill()
    await expect(ask('select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await postgres.start()
    expect(await ask('select value from kept')).toEqual({ value: 1 })
  })

  it('freezes and thaws', async () => {
    postgres.pause()
    await expect(ask('select 1', 300)).rejects.toThrow(/timeout/)
    postgres.resume()
    expect(await ask('select 2 as two')).toEqual({ two: 2 })
  })

  it('leaves nothing behind when stopped, also when frozen', async () => {
    const other = await startPostgres()
    const { pid } = other
    other.pause()
    await other.stop()
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    expect(other.logs()).not.toBe('')
  })

  it('ends with the process that started it, however that ends', async () => {
    const program = `
      const { startPostgres } = await import(${JSON.stringify(join(root, 'test/harness/services.ts'))})
      const service = await startPostgres()
      console.log(service.pid)
      if (process.argv[1] === 'exit') process.exit(0)
      setInterval(() => undefined, 1000)`
    for (const end of ['exit', 'SIGKILL'] as const) {
      const child = spawn(nodePath(), ['--input-type=module', '-e', program, end], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const pid = await new Promise<number>((resolve, reject) => {
        child.stdout.once('data', data => resolve(Number(data)))
        child.once('exit', code => code !== 0 && reject(new Error(`exit ${code}`)))
      })
      expect(pid).toBeGreaterThan(0)
      const data = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[2]!
      expect(data).toContain('routeiq-postgres-')
      if (end === 'SIGKILL') child.kill('SIGKILL')
      await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 20_000 }).toBe(false)
      // Nobody was left to remove the folder of the one that was killed.
      if (end === 'SIGKILL') rmSync(dirname(data), { recursive: true })
      else expect(existsSync(dirname(data))).toBe(false)
    }
  })
})
