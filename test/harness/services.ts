/**
 * Real servers for tests, started on this machine.
 *
 * ```ts
 * describe.skipIf(!services.postgres)('on PostgreSQL', () => {
 *   beforeAll(async () => { postgres = await startPostgres() })
 *   afterAll(() => postgres.stop())
 * })
 * ```
 */
import { postgresMissing } from './services/postgres.ts'
import { redisMissing } from './services/redis.ts'

export { startPostgres } from './services/postgres.ts'
export { startRedis } from './services/redis.ts'
export type { Service } from './services/service.ts'

export const services = {
  /** Whether PostgreSQL can be started here. */
  get postgres(): boolean {
    return usable(postgresMissing())
  },
  /** Whether Redis can be started here. */
  get redis(): boolean {
    return usable(redisMissing())
  },
}

const told = new Set<string>()

/** A test that silently runs nowhere proves nothing: where CI is set, what is missing is a failure. */
export function usable(missing: string | undefined, env: NodeJS.ProcessEnv = process.env): boolean {
  if (missing === undefined) return true
  if (env['CI'] !== undefined && env['CI'] !== '') throw new Error(`${missing}; its tests may not be skipped in CI`)
  if (!told.has(missing)) console.warn(`tests are skipped: ${missing}`)
  told.add(missing)
  return false
}
