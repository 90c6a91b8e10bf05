import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { readSecretFile } from './mounted-files.ts'

let folder: string
let allowed: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-files-'))
  allowed = join(folder, 'secrets')
  mkdirSync(allowed)
  writeFileSync(join(allowed, 'key'), 'sk-1\n')
  writeFileSync(join(folder, 'outside'), 'private')
})

it('is read without the line break at its end, and no other', async () => {
  expect(await readSecretFile(join(allowed, 'key'), [allowed])).toBe('sk-1')
  writeFileSync(join(allowed, 'key'), ' two\nlines \r\n')
  expect(await readSecretFile(join(allowed, 'key'), [allowed])).toBe(' two\nlines ')
})

it('follows the links of Kubernetes', async () => {
  mkdirSync(join(allowed, '..2026'))
  writeFileSync(join(allowed, '..2026', 'token'), 'v1')
  symlinkSync(join(allowed, '..2026'), join(allowed, '..data'))
  symlinkSync('..data/token', join(allowed, 'token'))
  expect(await readSecretFile(join(allowed, 'token'), [allowed])).toBe('v1')
})

it('is undefined where there is none', async () => {
  expect(await readSecretFile(join(allowed, 'none'), [allowed])).toBeUndefined()
})

describe('outside the allowed directories', () => {
  it.each([
    ['a file', () => join(folder, 'outside')],
    ['a climb', () => `${allowed}/../outside`],
    ['the directory itself', () => allowed],
    [
      'a link that leads out',
      () => {
        symlinkSync(join(folder, 'outside'), join(allowed, 'link'))
        return join(allowed, 'link')
      },
    ],
    [
      'a directory of a similar name',
      () => {
        mkdirSync(`${allowed}-2`)
        writeFileSync(`${allowed}-2/key`, 'x')
        return `${allowed}-2/key`
      },
    ],
  ])('%s is refused', async (_name, path) => {
    await expect(readSecretFile(path(), [allowed])).rejects.toThrow(/file_dirs/)
  })
})

it('is refused when it is too large for a secret', async () => {
  writeFileSync(join(allowed, 'big'), 'x'.repeat(65 * 1024))
  await expect(readSecretFile(join(allowed, 'big'), [allowed])).rejects.toThrow(/larger/)
})
