import { describe, expect, it } from 'vitest'
import { Secret } from '../../platform/security/secret.ts'
import { Cipher } from './cipher.ts'

describe('the cipher', () => {
  const [old, next] = [new Secret('sk-old-salt'), new Secret('sk-new-salt')]
  const cipher = new Cipher(old)
  const sealed = cipher.encrypt('sk-vendor-ü', 'credential:a')

  it('reads what it wrote, never the same twice, and shows nothing of it', () => {
    expect(cipher.decrypt(sealed, 'credential:a')).toBe('sk-vendor-ü')
    expect(cipher.encrypt('sk-vendor-ü', 'credential:a')).not.toBe(sealed)
    expect(sealed).not.toContain('vendor')
  })

  it('refuses values of another place, another key, or that were changed', () => {
    const parts = sealed.split('.')
    const flipped = [...parts.slice(0, 3), `${parts[3]?.startsWith('A') ? 'B' : 'A'}${parts[3]?.slice(1)}`].join('.')
    const refused: [Cipher, string, string][] = [
      [cipher, sealed, 'credential:b'],
      [new Cipher(next), sealed, 'credential:a'],
      [cipher, flipped, 'credential:a'],
      [cipher, 'plain text', 'credential:a'],
      [cipher, '', 'credential:a'],
    ]
    for (const [own, value, place] of refused) {
      expect(() => own.decrypt(value, place)).toThrow(/cannot be read/)
    }
  })

  it('reads values of a previous salt key and knows which are to be renewed', () => {
    const rotated = new Cipher(next, [old])
    expect(rotated.decrypt(sealed, 'credential:a')).toBe('sk-vendor-ü')
    expect(rotated.isCurrent(sealed)).toBe(false)
    expect(rotated.isCurrent(rotated.encrypt('x', 'p'))).toBe(true)
  })
})
