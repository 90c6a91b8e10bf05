import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { configurationFor } from '../services.fixtures.ts'
import { customBackend } from './custom.ts'

function load(spec: string | undefined, module = '') {
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-custom-'))
  writeFileSync(join(folder, 'own.mjs'), module)
  const keys = spec === undefined ? {} : { custom_secret_manager: spec }
  return customBackend(configurationFor({}, { system: 'custom', folder }, keys).settings)
}

const object = `const values = { K: 'v' }
export default { read: name => values[name], write(name, value) { values[name] = value }, remove: name => void delete values[name] }`

it('is the default export of a module beside the config', async () => {
  const found = await load('./own.mjs', object)
  expect(await found.read('K')).toEqual({ text: 'v' })
  expect(await found.read('OTHER')).toBeUndefined()
  await found.write?.('NEW', 'n')
  expect(await found.read('NEW')).toEqual({ text: 'n' })
  await found.remove?.('NEW')
  expect(await found.read('NEW')).toBeUndefined()
})

it('is a class by its name, and may say when a value ends', async () => {
  const found = await load('own.mjs#Own', `export class Own { async read() { return { text: 'v', expiresAt: 5 } } }`)
  expect(await found.read('K')).toEqual({ text: 'v', expiresAt: 5 })
  expect(found.write).toBeUndefined()
})

it('says what is wrong with the module, and nothing of what it throws', async () => {
  await expect(load(undefined)).rejects.toThrow(/custom_secret_manager/)
  await expect(load('./none.mjs')).rejects.toThrow(/cannot be loaded/)
  await expect(load('./own.mjs', 'export default {}')).rejects.toThrow(/no method read/)
  const throwing = await load('./own.mjs', `export default { read() { throw new Error('secret inside') } }`)
  const error = await Promise.resolve(throwing.read('K')).catch(caught => caught)
  expect(error.message).toContain('failed')
  expect(`${error.message} ${error.cause}`).not.toContain('secret inside')
})
