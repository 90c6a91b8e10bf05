import { describe, expect, it } from 'vitest'
import { generateMasterKey, MasterKey } from './master-key.ts'

const key = 'sk-correct-horse'
const master = new MasterKey(key)

describe('MasterKey', () => {
  it('accepts nothing but the whole key', () => {
    expect(master.matches(key)).toBe(true)
    const near = [
      `${key}x`,
      `x${key}`,
      key.slice(0, -1),
      key.slice(1),
      key.toUpperCase(),
      `${key}\0`,
      `${key} `,
      '\0',
      '',
    ]
    for (const value of near) expect(master.matches(value), JSON.stringify(value)).toBe(false)
  })

  it('keeps nothing of the key presented before', () => {
    for (const long of [`${key}-and-more`, 'x'.repeat(5000)]) {
      expect(master.matches(long)).toBe(false)
      expect(master.matches('sk')).toBe(false)
      expect(master.matches(key)).toBe(true)
    }
  })

  it.each([1, 255, 256, 257, 2000])('works for keys of %i bytes and others than ASCII', length => {
    for (const long of ['k'.repeat(length), 'ü'.repeat(length)]) {
      const own = new MasterKey(long)
      expect(own.matches(long)).toBe(true)
      expect(own.matches(`${long}k`)).toBe(false)
      expect(own.matches(long.slice(0, -1))).toBe(false)
    }
  })

  it('names its holder by a hash that differs from key to key', () => {
    expect(master.principal).toMatchObject({ admin: true, role: 'proxy_admin', proof: 'master_key' })
    expect(master.principal.keyHash).toMatch(/^[0-9a-f]{16}$/)
    expect(new MasterKey('another').principal.keyHash).not.toBe(master.principal.keyHash)
    expect(JSON.stringify(master)).not.toContain('horse')
  })

  it('is generated anew each time, with 192 random bits', () => {
    expect(generateMasterKey()).toMatch(/^sk-[\w-]{32}$/)
    expect(generateMasterKey()).not.toBe(generateMasterKey())
  })
})
