import { describe, expect, it } from 'vitest'
import { SecretUnavailable } from '../../../platform/secrets/backend.ts'
import { createLogger } from '../../../platform/telemetry/logger.ts'
import { keyRow } from '../../ledger/ledger.fixtures.ts'
import { KeySecrets, type VirtualKeyStore } from './key-secrets.ts'

const lines: string[] = []
const log = createLogger({ stream: { write: line => void lines.push(line) } })
const refuse = async (): Promise<boolean> => {
  throw new SecretUnavailable('vault: it is not available (503).')
}
const store = (changes: Partial<VirtualKeyStore> = {}): VirtualKeyStore => ({
  storesVirtualKeys: true,
  reservedForConfig: name => name === 'OPENAI_API_KEY',
  storeVirtualKey: async () => true,
  removeVirtualKey: async () => true,
  ...changes,
})
const named = (key_alias: string | null, settings = '{}') => ({ key_alias, settings, token: 'f00' })

describe('the name of a key in a secret manager', () => {
  const secrets = new KeySecrets(store(), log)

  it('is its alias, else its hash, and stays what it was', () => {
    expect(secrets.nameOf(named('team-a/app.1'))).toBe('team-a/app.1')
    expect(secrets.nameOf(named(null))).toBe('virtual-key-f00')
    expect(secrets.nameOf(named('renamed', '{"secret_name":"first"}'))).toBe('first')
  })

  it.each(['../up', 'a/../b', '/abs', 'a//b', '.', 'a b', 'a\nb', 'a%2fb', 'x/', '', 'OPENAI_API_KEY'])(
    'never leads to another secret: %j',
    alias => {
      const refused = () => secrets.nameOf(named(alias === '' ? ' ' : alias))
      expect(refused).toThrow(expect.objectContaining({ status: 400, param: 'key_alias' }))
    },
  )
})

it('a manager that does not answer is a 503 for new keys, and a line in the log for deleted ones', async () => {
  const secrets = new KeySecrets(store({ storeVirtualKey: refuse, removeVirtualKey: refuse }), log)
  await expect(secrets.put('a', 'sk-in-clear')).rejects.toMatchObject({ code: 'store_unavailable', status: 503 })
  await secrets.remove([{ ...keyRow('t'), settings: '{"secret_name":"a"}' }])
  expect(lines.join()).toContain('a deleted key is left in the secret manager')
  expect(lines.join()).not.toContain('sk-in-clear')
  expect(new KeySecrets(undefined, log).active).toBe(false)
})
