import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../errors/gateway-error.ts'
import { readDatabaseUrl } from './database-url.ts'

const read = (text: string) => readDatabaseUrl(text)

describe('a database URL', () => {
  it('says where, without who', () => {
    const url = read('postgresql://ada:s%40same@db.example:6543/books?sslmode=require')
    expect(url.description).toBe('PostgreSQL db.example:6543/books')
    expect(url.connectionString).toBe('postgresql://ada:s%40same@db.example:6543/books')
    expect(read('postgres://db/books').description).toBe('PostgreSQL db:5432/books')
    expect(read('postgresql:///books?host=/run/postgresql')).toMatchObject({
      description: 'PostgreSQL /run/postgresql:5432/books',
      sslMode: 'disable',
      connectionString: 'postgresql:///books?host=%2Frun%2Fpostgresql',
    })
  })

  it.each([
    ['', 'prefer', false],
    ['sslmode=disable', 'disable', undefined],
    ['sslmode=allow', 'prefer', false],
    ['sslmode=prefer', 'prefer', false],
    ['sslmode=require', 'require', false],
    ['sslmode=no-verify', 'require', false],
    ['sslmode=require&sslaccept=strict', 'verify-full', true],
    ['sslmode=require&sslrootcert=system', 'verify-full', true],
    ['sslmode=verify-ca', 'verify-ca', true],
    ['sslmode=verify-full', 'verify-full', true],
  ])('with "%s" uses TLS as %s', (parameters, mode, verified) => {
    const url = read(`postgres://db/books?${parameters}`)
    expect([url.sslMode, url.tls?.rejectUnauthorized]).toEqual([mode, verified])
    expect(url.connectionString).toBe('postgres://db/books')
  })

  it('checks a given root certificate also when it need not check the name', () => {
    const url = read(`postgres://db/books?sslmode=require&sslrootcert=${import.meta.filename}`)
    expect(url.sslMode).toBe('verify-ca')
    expect(url.tls?.ca).toContain('describe')
    expect(url.tls?.checkServerIdentity?.('db', {} as never)).toBeUndefined()
  })

  it("understands Prisma's parameters", () => {
    const prisma =
      'schema=litellm&connection_limit=7&connect_timeout=3&pgbouncer=true&statement_cache_size=0&application_name=x'
    const url = read(`postgres://db/books?${prisma}`)
    expect(url).toMatchObject({ schema: 'litellm', poolSize: 7, connectTimeoutMs: 3000, behindPooler: true })
    expect(url.connectionString).toBe('postgres://db/books?application_name=x')
    expect(read('postgres://db/books?pool_timeout=4&options=-c%20jit%3Doff')).toMatchObject({
      schema: 'routeiq',
      connectTimeoutMs: 4000,
      behindPooler: false,
      poolSize: undefined,
      options: '-c jit=off',
    })
  })

  it.each([
    ['no url with sesame', /is not a URL/],
    ['postgres://u:sesame%zz@db/x', /is not a URL/],
    ['mysql://u:sesame@db/x', /begins with mysql:/],
    ['postgres://u:sesame@db/x?sslmode=maybe', /has sslmode=maybe; use disable, prefer/],
    ['postgres://u:sesame@db/x?schema=a"b', /has a schema that is no plain name/],
    ['postgres://u:sesame@db/x?connection_limit=0', /has connection_limit=0/],
    ['postgres://u:sesame@db/x?sslrootcert=/missing.pem', /sslrootcert that cannot be read: ENOENT/],
  ])('%s is refused without showing it', (text, reason) => {
    const attempt = (): unknown => read(text)
    expect(attempt).toThrow(GatewayError)
    expect(attempt).toThrow(reason)
    expect(attempt).not.toThrow(/sesame/)
  })
})
