import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import { StoreUnavailable } from '../../src/platform/store/store.ts'
import { serverUser } from '../harness/services/postgres.ts'
import { findProgram } from '../harness/services/service.ts'
import { type Service, services, startPostgres, usable } from '../harness/services.ts'

const openssl = usable(findProgram('openssl') ? undefined : 'openssl is not installed (apt-get install openssl)')

describe.skipIf(!services.postgres || !openssl)('PostgreSQL over TLS', () => {
  let folder = ''
  let server: Service

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'routeiq-tls-'))
    chmodSync(folder, 0o755)
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost'
    const name = ['-addext', 'subjectAltName=DNS:localhost']
    execFileSync('openssl', [...request.split(' '), ...name, '-keyout', key, '-out', certificate], { stdio: 'pipe' })
    const user = serverUser()
    if (user !== undefined) chownSync(key, user.uid, user.gid)
    chmodSync(key, 0o600)
    server = await startPostgres({ settings: { ssl: 'on', ssl_key_file: key, ssl_cert_file: certificate } })
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Whether the connection is encrypted. */
  const encrypted = async (parameters: string, host = '127.0.0.1'): Promise<boolean> => {
    const url = `${server.url.replace('127.0.0.1', host)}?${parameters.replace('CA', join(folder, 'certificate.pem'))}`
    const store = await openStore({ kind: 'postgres', url: new Secret(url) })
    try {
      const { rows } = await sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(
        store.db,
      )
      return rows[0]?.ssl === true
    } finally {
      await store.close()
    }
  }

  it('is used as the mode says', async () => {
    expect(await encrypted('sslmode=disable')).toBe(false)
    expect(await encrypted('')).toBe(true)
    expect(await encrypted('sslmode=prefer')).toBe(true)
    expect(await encrypted('sslmode=require')).toBe(true)
  })

  it('checks the certificate when told to', async () => {
    const refused = encrypted('sslmode=verify-full', 'localhost')
    await expect(refused).rejects.toThrow(/self.signed certificate/)
    await expect(refused).rejects.toBeInstanceOf(StoreUnavailable)
    expect(await encrypted('sslmode=verify-full&sslrootcert=CA', 'localhost')).toBe(true)
    await expect(encrypted('sslmode=verify-full&sslrootcert=CA')).rejects.toThrow(/does not match certificate/)
    expect(await encrypted('sslmode=verify-ca&sslrootcert=CA')).toBe(true)
    await expect(encrypted('sslmode=verify-ca')).rejects.toThrow(/self.signed certificate/)
  })
})
