import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../platform/security/secret.ts'
import { recordedText, recordedValue } from './recorded-value.ts'

const kept = (value: Record<string, unknown>, earlier?: unknown): Record<string, unknown> =>
  JSON.parse(recordedValue(value, { earlier })!) as Record<string, unknown>

describe('what a record keeps of an object', () => {
  it('has no secret, whatever its name is written like', () => {
    const names = [
      'key',
      'api_key',
      'apiKey',
      'API-KEY',
      'openai_api_key',
      'token',
      'refresh_token',
      'accessToken',
      'password',
      'password_hash',
      'client_secret',
      'secret_access_key',
      'credential_values',
      'authorization',
      'Authorization',
      'vertex_credentials',
      'private_key_id',
      'slack_webhook_url',
      'cookie',
      'signature',
      'salt',
      'params_encrypted',
    ]
    for (const name of names) {
      expect(recordedValue({ [name]: 'hunter2hunter2' }), name).not.toContain('hunter2')
      expect(recordedValue({ deep: [{ [name]: { inner: ['hunter2hunter2'] } }] }), name).not.toContain('hunter2')
    }
  })

  it('keeps what only sounds like a secret', () => {
    const value = {
      max_tokens: 100,
      key_alias: 'prod',
      key_name: 'sk-...abcd',
      token_count: 3,
      public_key: 'MCow',
      total_tokens: 5,
      credential_name: 'azure-eu',
      api_key: 'os.environ/OPENAI_API_KEY',
      enforce_password: true,
      password: null,
      tpm_limit: 10,
      allowed_cache_controls: ['no-cache'],
      created_at: new Date(0),
      spend: 12n,
    }
    expect(kept(value)).toEqual({ ...value, created_at: '1970-01-01T00:00:00.000Z', spend: '12' })
  })

  it('has no secret by type or by look either', () => {
    const value = {
      a: new Secret('hunter2hunter2'),
      b: Buffer.from('hunter2'),
      note: 'use Bearer abcdefghijkl or sk-1234567890abcdef',
      url: 'postgres://user:hunter2@db/x',
      pem: '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----',
      text: '-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY----- rest',
      headers: { 'x-custom': 'hunter2', 'x-other': 7 },
    }
    const text = recordedValue(value)!
    expect(text).not.toMatch(/hunter2|abcdefghijkl|1234567890abcdef|aHVudGVyMg/)
    expect(kept(value)).toMatchObject({ a: '[redacted]', url: 'postgres://[redacted]@db/x', text: '[redacted] rest' })
  })

  it('tells whether a secret was replaced, and nothing more', () => {
    const before = { litellm_params: { api_key: 'one', model: 'm' }, list: [{ token: 'a' }], added: undefined }
    const after = { litellm_params: { api_key: 'two', model: 'm' }, list: [{ token: 'a' }], secret: 'new' }
    expect(kept(after, before)).toEqual({
      litellm_params: { api_key: '[redacted, changed]', model: 'm' },
      list: [{ token: '[redacted]' }],
      secret: '[redacted]',
    })
  })

  it('keeps the hash that names a key, and only a hash', () => {
    const hashes = new Set(['token'])
    const hash = 'ab'.repeat(32)
    expect(recordedValue({ token: hash, inner: { token: hash } }, { hashes })).toBe(
      `{"token":"${hash}","inner":{"token":"${hash}"}}`,
    )
    expect(recordedValue({ token: 'sk-notahash' }, { hashes })).toBe('{"token":"[redacted]"}')
    expect(recordedValue({ token: hash })).toBe('{"token":"[redacted]"}')
  })

  it('is bounded, and says what was cut', () => {
    const long = 'x'.repeat(100_000)
    const text = kept({ long })['long'] as string
    expect(text.length).toBeLessThan(700)
    expect(text).toContain(createHash('sha256').update(long).digest('hex'))

    const wide = kept({ items: Array.from({ length: 5000 }, (_, index) => index) })['items'] as unknown[]
    expect(wide).toHaveLength(201)
    expect(wide.at(-1)).toEqual({
      $cut: { bytes: expect.any(Number), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })

    let deep: Record<string, unknown> = {}
    for (let level = 0; level < 5000; level++) deep = { deep }
    expect(recordedValue(deep)).toContain('nested too deeply')

    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field${index}`, 'y'.repeat(2000)]))
    const whole = recordedValue({ small: 1, ...many })!
    expect(whole.length).toBeLessThanOrEqual(16_384)
    expect(JSON.parse(whole)).toMatchObject({ small: 1, field0: { $cut: { bytes: expect.any(Number) } } })
  })

  it('is always bounded JSON without the secret', () => {
    const json = fc.jsonValue({ maxDepth: 6 })
    fc.assert(
      fc.property(json, json, fc.constantFrom('api_key', 'token', 'password', 'clientSecret'), (value, other, name) => {
        const text = recordedValue({ value, [name]: 'S3CR3T-S3CR3T', inner: { [name]: ['S3CR3T-S3CR3T', other] } })!
        expect(() => JSON.parse(text)).not.toThrow()
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16_384)
        expect(text).not.toContain('S3CR3T')
        // What PostgreSQL and UTF-8 cannot hold is gone before the hash is made.
        expect(text.isWellFormed()).toBe(true)
        expect(text).not.toContain('\0')
      }),
    )
  })
})

describe('names and ids', () => {
  it('are well-formed, bounded and without secrets', () => {
    expect(recordedText('a\0b\ud800c')).toBe('a\uFFFDb\uFFFDc')
    expect(recordedText('sk-1234567890abcdef')).toBe('[redacted]')
    const long = recordedText('😀'.repeat(5000))
    expect([long.length <= 512, long.isWellFormed()]).toEqual([true, true])
    expect(long).not.toBe(recordedText('😀'.repeat(5001)))
  })
})
