import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secrets } from '../platform/secrets/secrets.ts'
import { Secret } from '../platform/security/secret.ts'
import { loadTexts } from './config-source.ts'
import { FleetConfig } from './fleet-config.ts'
import { snapshotServices } from './services.ts'

let folder: string
const services = snapshotServices(new Secret('sk-test'), 'http://127.0.0.1:1')
const path = (name: string) => join(folder, name)
const write = (name: string, text: string) => writeFileSync(path(name), text)
const model = (name: string) => `model_list: [{ model_name: ${name}, litellm_params: { model: demo/fast } }]\n`
const open = () => FleetConfig.open({ path: path('c.yaml'), strict: true, secrets: new Secrets() }, services)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleet-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('FleetConfig', () => {
  it('keeps texts that give the same configuration when the files are gone', async () => {
    write('c.yaml', `include: [more.yaml]\n${model('a')}`)
    write('more.yaml', model('b'))
    const config = await open()
    expect(config.files).toEqual([path('c.yaml'), path('more.yaml')])
    rmSync(path('more.yaml'))
    write('c.yaml', 'model_list: [')
    const { texts, version } = config.given
    const loaded = await loadTexts({ path: path('c.yaml'), strict: true, secrets: new Secrets() }, texts)
    expect([loaded.hash, version]).toEqual([config.snapshot.hash, 1])
    expect(loaded.config.model_list.map(({ model_name }) => model_name)).toEqual(['a', 'b'])
  })

  it('counts a version for each new content, and none for the same or a bad one', async () => {
    write('c.yaml', model('a'))
    const config = await open()
    expect([await config.refresh(), config.given.version]).toEqual([[], 1])
    write('c.yaml', `# a comment\n${model('a')}`)
    expect([await config.refresh(), config.given.version]).toEqual([[], 1])
    write('c.yaml', model('b'))
    expect([await config.refresh(), config.given.version]).toEqual([[], 2])
    const { hash } = config.snapshot
    for (const bad of [
      '',
      'model_list: [',
      `${model('c')}nonsense: 1\n`,
      model('c').replace('demo/fast', 'no_vendor/x'),
    ]) {
      write('c.yaml', bad)
      expect((await config.refresh()).length).toBeGreaterThan(0)
      expect([config.given.version, config.snapshot.hash]).toEqual([2, hash])
    }
    write('c.yaml', model('d'))
    expect([await config.refresh(), config.given.version]).toEqual([[], 3])
  })

  it('names the files of a refused configuration too, so that their repair is seen', async () => {
    write('c.yaml', model('a'))
    const config = await open()
    write('c.yaml', `include: [not-there-yet.yaml]\n${model('a')}`)
    expect(await config.refresh()).toEqual([expect.stringContaining('no such file')])
    expect(config.files).toContain(path('not-there-yet.yaml'))
    write('not-there-yet.yaml', model('b'))
    expect(await config.refresh()).toEqual([])
    expect(config.given.version).toBe(2)
  })

  it('refuses to open what cannot be used', async () => {
    write('c.yaml', model('a').replace('demo/fast', 'azure/x'))
    await expect(open()).rejects.toThrow(/api_base/)
    rmSync(path('c.yaml'))
    await expect(open()).rejects.toThrow(/no such file/)
  })
})
