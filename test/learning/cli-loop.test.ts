import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { eventually } from '../control/setup.ts'
import { done, newKey } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { artifactOf, askIn, likesLarge, likesSmall, loopConfig } from './loop-world.ts'
import { routeiq, syntheticRows, writeRoutingData } from './skills.ts'

// Every command is a process of its own.
vi.setConfig({ testTimeout: 180_000 })

let upstream: Upstream
let gateway: Gateway
let folder: string
/** Of the second day; `older` is of the first. */
let newer: string
let older: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-cli-loop-'))
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  older = write('older.routeiq', await artifactOf(likesSmall, { day: 1 }))
  newer = write('newer.routeiq', await artifactOf(likesLarge, { day: 2 }))
  upstream = await startUpstream()
  gateway = await startGateway({ config: loopConfig(upstream) })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

const router = (...args: string[]) =>
  routeiq(['router', ...args], { ROUTEIQ_URL: gateway.url, LITELLM_MASTER_KEY: gateway.key })

describe('an artifact is brought into a gateway that runs', () => {
  it('step by step, forward and back', async () => {
    const deployed = await router('deploy', older, '--by-hand', '--shares', '0,0.5,1')
    expect(deployed.code, deployed.err).toBe(0)
    expect(deployed.err).toMatch(/older\.routeiq: uploaded as [0-9a-f]{12}/)
    expect(deployed.out).toMatch(
      /^default: shadow, in force none\n {2}candidate [0-9a-f]{12} watches; waits for routeiq/,
    )
    expect((await router('advance', '--reason', 'seen enough')).out).toContain('decides for 50 % of sessions')
    const status = await router('status')
    expect(status.out).toMatch(/feedback +candidate +unknown/)
    expect(status.out).toContain('shadow → canary_50: seen enough')
    expect((await router('rollback')).out).toBe('default: none, in force none\n')
    const active = await router('deploy', newer, '--activate')
    expect(active.out, active.err).toMatch(/^default: active, in force [0-9a-f]{12}\n$/)
    expect(JSON.parse((await router('status', '--json')).out)).toMatchObject({ stage: 'active', rollout: null })

    // Refused by the gateway: its reason is what is told.
    const stale = await router('deploy', older)
    expect(stale.code).toBe(2)
    expect(stale.err).toContain('trained before the one in force')
    expect((await router('deploy', older, '--force')).out).toContain('default: shadow')
    expect((await router('rollback')).out).toMatch(/^default: active/)
    expect((await router('deactivate')).out).toBe('default: none, in force none\n')
  })

  it('what cannot be done is told in a sentence', async () => {
    const bytes = readFileSync(newer)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(join(folder, 'corrupt.routeiq'), bytes)
    const corrupt = await router('deploy', join(folder, 'corrupt.routeiq'))
    expect(corrupt.code).toBe(2)
    expect(corrupt.err).toContain('corrupt')
    const stranger = await router('status', '--key', 'sk-of-nobody-at-all')
    expect(stranger.code).toBe(2)
    expect(stranger.err).toMatch(/401 .*not valid/)
    const nobody = await router('status', '--url', 'http://127.0.0.1:9')
    expect(nobody.code).toBe(2)
    expect(nobody.err).toContain('does not answer')
    const keyless = await routeiq(['router', 'status'], { LITELLM_MASTER_KEY: '', ROUTEIQ_API_KEY: '' })
    expect(keyless.code).toBe(2)
    expect(keyless.err).toContain('give --key')
    for (const { err } of [corrupt, stranger, nobody, keyless]) expect(err).not.toMatch(/^ {4}at /m)
  })
})

describe('calls are fetched to learn from', () => {
  it('those with text; where there is none, that is said', async () => {
    const out = join(folder, 'calls.jsonl')
    await askIn(gateway, 'silent')
    const none = await router('collect', '--out', out)
    expect(none.code, none.err).toBe(1)
    expect(none.err).toContain('no call of this router has captured text')
    const key = await newKey(gateway, { metadata: { routeiq_capture: { sample: 1 } } })
    for (let session = 0; session < 3; session++)
      await askIn(gateway, `told-${session}`, { key, text: `Sum ${session}` })
    await eventually(async () => {
      const { data } = await done(gateway, 'GET', '/v1/routeiq/router/decisions?limit=10')
      return (data as unknown[]).length >= 4 ? true : undefined
    })
    await eventually(
      async () => ((await router('collect', '--out', out)).err.includes(': 3 calls') ? true : undefined),
      60_000,
    )
    const lines = readFileSync(out, 'utf8').trim().split('\n')
    expect(lines.map(line => JSON.parse(line).prompt.text).sort()).toEqual(['Sum 0', 'Sum 1', 'Sum 2'])
    expect((await router('collect', '--out', out, '--without-text')).err).toContain(': 4 calls')
  })
})

describe('data that nothing can be told from', () => {
  it('prompts of one session cannot be held out', async () => {
    const rows = syntheticRows({ rows: 40 }).map(row => ({ ...row, group: 'the only session' }))
    const path = writeRoutingData(folder, 'one-session', rows)
    for (const args of [
      ['eval', '--train', path],
      ['train', path, '--out', join(folder, 'none.routeiq')],
    ]) {
      const run = await router(...args)
      expect(run.code).toBe(2)
      expect(run.err).toContain('all 40 prompts belong to one session')
    }
  })

  it('a test whose models the artifact does not know', async () => {
    const path = writeRoutingData(folder, 'strangers', syntheticRows({ rows: 40 }))
    const run = await router('eval', '--artifact', newer, '--test', path)
    expect(run.code).toBe(2)
    expect(run.err).toContain('does not know strong, sums, songs; it knows small, medium, large')
  })
})
