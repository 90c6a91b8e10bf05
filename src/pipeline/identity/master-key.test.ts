import { describe, expect, it } from 'vitest'
import { generateMasterKey, MasterKey } from './master-key.ts'

const key = 'sk-correct-horse'
const master = new MasterKey(key, 'X-Team-Key')

describe('MasterKey', () => {
  it.each([
    'authorization',
    'x-litellm-api-key',
    'api-key',
    'x-api-key',
    'x-goog-api-key',
    'ocp-apim-subscription-key',
    'x-team-key',
  ])('is taken from %s, bare or as a bearer token', header => {
    for (const value of [key, `Bearer ${key}`, `bearer ${key}`]) {
      expect(master.authenticate({ [header]: value })).toMatchObject({ admin: true })
    }
    expect(master.authenticate({ [header]: 'sk-wrong' })).toBeUndefined()
  })

  it('knows no header that was not configured', () => {
    expect(new MasterKey(key).authenticate({ 'x-team-key': key })).toBeUndefined()
    expect(master.authenticate({})).toBeUndefined()
    expect(master.authenticate({ authorization: '' })).toBeUndefined()
  })

  it('accepts nothing but the whole key', () => {
    const near = [
      `${key}x`,
      `x${key}`,
      key.slice(0, -1),
      key.slice(1),
      key.toUpperCase(),
      `${key}\0`,
      `${key} `,
      '\0',
      ' ',
      '',
    ]
    for (const value of near) expect(master.authenticate({ 'x-api-key': value }), JSON.stringify(value)).toBeUndefined()
  })

  it('keeps nothing of the key presented before', () => {
    for (const long of [`${key}-and-more`, 'x'.repeat(5000)]) {
      expect(master.authenticate({ 'x-api-key': long })).toBeUndefined()
      expect(master.authenticate({ 'x-api-key': 'sk' })).toBeUndefined()
      expect(master.authenticate({ 'x-api-key': key })).toBeDefined()
    }
  })

  it.each([1, 255, 256, 257, 2000])('works for keys of %i bytes and others than ASCII', length => {
    for (const long of ['k'.repeat(length), 'ü'.repeat(length)]) {
      const own = new MasterKey(long)
      expect(own.authenticate({ authorization: `Bearer ${long}` })).toBeDefined()
      expect(own.authenticate({ authorization: `Bearer ${long}k` })).toBeUndefined()
      expect(own.authenticate({ authorization: `Bearer ${long.slice(0, -1)}` })).toBeUndefined()
    }
  })

  it('names its holder by a hash that differs from key to key', () => {
    const hash = master.authenticate({ 'api-key': key })?.keyHash
    expect(hash).toMatch(/^[0-9a-f]{16}$/)
    expect(new MasterKey('another').authenticate({ 'api-key': 'another' })?.keyHash).not.toBe(hash)
    expect(JSON.stringify(master)).not.toContain('horse')
  })

  it('is generated anew each time, with 192 random bits', () => {
    expect(generateMasterKey()).toMatch(/^sk-[\w-]{32}$/)
    expect(generateMasterKey()).not.toBe(generateMasterKey())
  })
})
