import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MasterKey } from '../../src/pipeline/identity/master-key.ts'
import { root } from '../harness/gateway.ts'

const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts') && !/\.(test|fixtures)\.ts$/.test(entry.name))
  .map(entry => join(entry.parentPath, entry.name))
  .map(path => ({ path: relative(join(root, 'src'), path), text: readFileSync(path, 'utf8') }))

const holding = (pattern: RegExp): string[] =>
  sources
    .filter(({ text }) => pattern.test(text))
    .map(({ path }) => path)
    .sort()

describe('what the gateway can be made to run', () => {
  it('no text becomes code: nothing evaluates, nothing renders templates (GHSA-xqmj-j6mv-4862, CVE-2024-6825, CVE-2024-5751)', () => {
    expect(sources.length).toBeGreaterThan(300)
    expect(holding(/\beval\s*\(|new Function\s*\(|from 'node:vm'|runInNewContext/)).toEqual([])
    // Nothing is loaded by a name made at run time; the one program made of bytes makes them itself.
    expect(holding(/\brequire\(|createRequire/)).toEqual([])
    expect(holding(/WebAssembly\.(Module|compile|instantiate)\b/)).toEqual(['learning/predictors/dot-kernel.ts'])
    expect(holding(/nunjucks|handlebars|mustache|lodash|ejs'|liquidjs/)).toEqual([])
  })

  it('no request starts a program: nothing imports child_process, and only the CLI forks (GHSA-v4p8-mg3p-g94g)', () => {
    // `router probe` starts the gateway it puts its prompts to.
    expect(holding(/child_process/)).toEqual(['cli/router/probe/own-gateway.ts'])
    expect(holding(/from 'node:cluster'/).every(path => path.startsWith('cli/'))).toBe(true)
  })

  it('modules are loaded by name only where the operator’s file or this program names them', () => {
    const dynamic = sources
      .filter(({ text }) => /\bimport\(\s*(?!['")]|`[^$`]*`)/.test(text.replaceAll(/^\s*(\/\/|\*).*$/gm, '')))
      .map(({ path }) => path)
    expect(dynamic.sort()).toEqual([
      'governance/authentication/load-function.ts',
      // An optional library by its constant name, and the ledger's shipper by its own URL.
      'learning/dataset/parquet.ts',
      'platform/secrets/backends/custom.ts',
      'platform/store/sqlite/guests.ts',
    ])
  })

  it('SQL is written by the query builder: raw text takes values as parameters alone', () => {
    // The number of the lock that orders the audit chain.
    const written = holding(/sql\.raw\(|sql\.lit\(/).filter(path => !path.startsWith('platform/store/'))
    expect(written).toEqual(['governance/audit/append.ts'])
  })
})

describe('comparing secrets', () => {
  it('takes constant time wherever one is compared, and keys are found by their hash', () => {
    const comparing = holding(/timingSafeEqual/)
    for (const path of [
      'pipeline/identity/master-key.ts',
      'governance/authentication/login/password.ts',
      'governance/authentication/login/session.ts',
    ]) {
      expect(comparing).toContain(path)
    }
    // There the values compared are both the operator's: whether a secret has changed.
    expect(holding(/reveal\(\)\s*[!=]==|[!=]==\s*[\w.#]*reveal\(\)|masterKey\s*===/)).toEqual([
      'platform/secrets/live-secret.ts',
    ])
  })

  it('a key that is wrong at its end takes as long as one that is wrong at once', () => {
    const key = `sk-${'k'.repeat(197)}`
    const master = new MasterKey(key)
    const wrong = { early: `x${key.slice(1)}`, late: `${key.slice(0, -1)}x`, short: 'x' }
    const rounds = 30
    const times: Record<keyof typeof wrong, number[]> = { early: [], late: [], short: [] }
    const measure = (name: keyof typeof wrong): void => {
      const started = performance.now()
      let matched = 0
      for (let i = 0; i < 5000; i++) if (master.matches(wrong[name])) matched++
      times[name].push(performance.now() - started)
      expect(matched).toBe(0)
    }
    for (let round = 0; round < rounds; round++) for (const name of ['early', 'late', 'short'] as const) measure(name)
    // The fastest rounds are those that nothing else disturbed.
    const best = (name: keyof typeof wrong): number => [...times[name]].sort((a, b) => a - b)[3]!
    // A comparison that stops at the first difference would read 200 times as much for the late one.
    expect(best('late') / best('early')).toBeGreaterThan(0.5)
    expect(best('late') / best('early')).toBeLessThan(2)
    expect(best('late') / best('short')).toBeLessThan(3)
  })
})
