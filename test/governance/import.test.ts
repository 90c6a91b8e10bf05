import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodePath, root, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { fillLitellm } from './litellm-database.ts'
import { api, done } from './setup.ts'

const saltKey = 'sk-salt-of-litellm'

describe.skipIf(!services.postgres)('routeiq import litellm', () => {
  let upstream: Upstream
  let postgres: Service
  let folder: string
  const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise(resolve => {
      const command = [join(root, 'src/cli/main.ts'), 'import', ...args]
      const env = {
        ...process.env,
        LITELLM_SOURCE_SALT_KEY: saltKey,
        LITELLM_SALT_KEY: 'sk-salt-of-routeiq',
        LITELLM_MASTER_KEY: 'sk-master',
      }
      execFile(nodePath(), command, { env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      )
    })
  beforeAll(async () => {
    upstream = await startUpstream()
    postgres = await startPostgres()
    await fillLitellm(postgres.url, { saltKey, upstream: upstream.url })
    folder = mkdtempSync(join(tmpdir(), 'routeiq-import-'))
    writeFileSync(join(folder, 'config.yaml'), 'model_list: []\ngeneral_settings: { master_key: sk-master }\n')
  }, 60_000)
  afterAll(async () => {
    await postgres?.stop()
    await upstream?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('counts without writing, then copies once, and keeps what is here', async () => {
    const target = ['--database-url', postgres.url, '--config', join(folder, 'config.yaml'), '--json']
    const dry = await run('litellm', ...target, '--dry-run')
    expect([dry.code, dry.stderr]).toEqual([0, ''])
    const first = JSON.parse((await run('litellm', ...target)).stdout) as {
      tables: { table: string; read: number; written: number; kept: number; skipped: number }[]
      problems: string[]
    }
    expect(first.problems).toEqual([])
    expect(first.tables.find(({ table }) => table === 'LiteLLM_VerificationToken')).toMatchObject({
      read: 6,
      written: 5,
      skipped: 1,
    })
    const again = JSON.parse((await run('litellm', ...target)).stdout) as typeof first
    expect(again.tables.find(({ table }) => table === 'LiteLLM_VerificationToken')).toMatchObject({
      written: 0,
      kept: 5,
    })
  }, 60_000)

  it('keys, teams, budgets and models work here as they did there', async () => {
    const config = `model_list: []\ngeneral_settings: { master_key: sk-master }\nrouteiq: { data_directory: "${join(folder, '.routeiq')}", egress: { allow_cidrs: [127.0.0.0/8] } }\n`
    const running = await startGateway({
      config,
      bare: true,
      env: { LITELLM_SALT_KEY: 'sk-salt-of-routeiq', LITELLM_MASTER_KEY: 'sk-master' },
    })
    const gateway = { url: running.url, key: 'sk-master' }
    try {
      const status = async (key: string) => (await chat({ url: gateway.url, key }, 'moved', 'hi')).status
      expect(await status('sk-plain')).toBe(200)
      expect(upstream.requests.at(-1)?.headers['authorization']).toBe('Bearer sk-upstream-secret')
      expect([await status('sk-old'), await status('sk-team')]).toEqual([200, 200])
      expect([await status('sk-blocked'), await status('sk-expired'), await status('sk-unknown')]).toEqual([
        401, 401, 401,
      ])
      expect((await done(gateway, 'GET', '/key/info?key=sk-plain'))['info']).toMatchObject({
        key_alias: 'alias-sk-plain',
        user_id: 'ann',
        max_budget: 10,
        models: ['moved'],
        metadata: { tags: ['a'] },
        object_permission: { mcp_servers: ['files'] },
        expires: '2099-01-01T00:00:00.000Z',
      })
      expect(await done(gateway, 'GET', '/team/info?team_id=team')).toMatchObject({
        team_info: { team_alias: 'Team', organization_id: 'org', rpm_limit: 500, admins: ['bob'] },
        team_memberships: [{ user_id: 'bob' }, { user_id: 'ann', spend: 0.25 }],
      })
      const user = await api(gateway, 'GET', '/user/info?user_id=ann')
      expect(user.json).toMatchObject({
        user_info: { user_email: 'ann@x.test', spend: 1.5, user_role: 'proxy_admin_viewer' },
      })
      expect(user.text).not.toMatch(/password|"hash"/)
      expect(await done(gateway, 'GET', '/customer/info?end_user_id=customer')).toMatchObject({
        blocked: true,
        alias: 'C',
      })
      expect(await done(gateway, 'GET', '/organization/info?organization_id=org')).toMatchObject({
        members: [{ user_id: 'bob', user_role: 'org_admin' }],
      })
      const { data } = (await done(gateway, 'GET', '/model/info')) as unknown as { data: { litellm_params: object }[] }
      expect(JSON.stringify(data)).not.toContain('upstream-secret')
    } finally {
      await running.stop()
    }
  })

  it('says what is wrong without repeating a password', async () => {
    expect((await run('litellm')).code).toBe(2)
    const away = await run(
      'litellm',
      '--database-url',
      'postgres://u:hunter2@127.0.0.1:1/x',
      '--config',
      join(folder, 'config.yaml'),
    )
    expect(away.code).toBe(2)
    expect(away.stderr).toMatch(/cannot be read \(ECONNREFUSED\)/)
    expect(away.stderr).not.toContain('hunter2')
  })
})
