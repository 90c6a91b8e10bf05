import { describe, expect, it } from 'vitest'
import { Secret } from '../../security/secret.ts'
import { redisKeys } from './keys.ts'
import { redisOptionsOfUrl } from './options.ts'

const parse = (text: string) => redisOptionsOfUrl(text, secret => new Secret(secret))

describe('a Redis URL', () => {
  it('gives host, port, login, database and TLS', () => {
    const options = parse('rediss://us%40er:p%3Ass@cache.example:6380/3')
    expect(options).toMatchObject({
      place: { kind: 'standalone', host: 'cache.example', port: 6380 },
      username: 'us@er',
      db: 3,
      tls: {},
    })
    expect(options.password).toBeInstanceOf(Secret)
    expect((options.password as Secret).reveal()).toBe('p:ss')
  })

  it('may leave out what is usual', () => {
    expect(parse('redis://localhost')).toEqual({ place: { kind: 'standalone', host: 'localhost', port: 6379 }, db: 0 })
    expect(parse('redis://[::1]:7000/').place).toEqual({ kind: 'standalone', host: '::1', port: 7000 })
    expect((parse('redis://:only-a-password@h').password as Secret).reveal()).toBe('only-a-password')
  })

  it('may be a socket', () => {
    expect(parse('unix:///run/redis/redis.sock').place).toEqual({ kind: 'socket', path: '/run/redis/redis.sock' })
  })

  it.each([
    ['nonsense', /not a URL/],
    ['http://:hunter2@h', /begins with http/],
    ['redis://:hunter2@h/a', /database number/],
    ['redis://:hunter2@h/-1', /database number/],
  ])('%s is refused without showing a password', (text, message) => {
    expect(() => parse(text)).toThrow(message)
    expect(() => parse(text)).not.toThrow(/hunter2/)
  })
})

describe('names in Redis', () => {
  it('carry one hash tag', () => {
    const keys = redisKeys('gateway')
    const all = [...keys.leases, keys.value('a{b}'), keys.lock('}'), keys.channel('c')]
    // The cluster hashes what is between the first brace and the next closing one.
    expect(all.map(key => /^\{([^}]*)\}/.exec(key)?.[1])).toEqual(all.map(() => 'gateway'))
    expect(new Set(all).size).toBe(all.length)
  })

  it('need a prefix that can be one', () => {
    for (const prefix of ['', '{a}', 'a}', 'a b', 'a'.repeat(101)]) expect(() => redisKeys(prefix)).toThrow(RangeError)
  })
})
