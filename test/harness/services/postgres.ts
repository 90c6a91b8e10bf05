import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, freePort, type Service, type ServiceUser, startService } from './service.ts'

export interface PostgresOptions {
  /** `max_connections`. Default 60. */
  readonly maxConnections?: number
  /** Further settings: `{ log_statement: 'all' }`. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** Debian keeps the server's programs of each version apart and off the path; the newest is taken. */
function versionFolders(): readonly string[] {
  const home = '/usr/lib/postgresql'
  if (!existsSync(home)) return []
  const versions = readdirSync(home).sort((a, b) => Number(b) - Number(a))
  return versions.map(version => join(home, version, 'bin'))
}

export const postgresProgram = (): string | undefined => findProgram('postgres', versionFolders())

/** Why PostgreSQL cannot be started here; undefined: it can. */
export function postgresMissing(): string | undefined {
  return postgresProgram() === undefined ? 'PostgreSQL is not installed (apt-get install postgresql)' : undefined
}

/**
 * A PostgreSQL server with an empty database, on a loopback port, in about a second: nothing is synced to disk. Its
 * superuser is `postgres`, and needs no password.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Service> {
  const program = postgresProgram()
  if (program === undefined) throw new Error(postgresMissing())
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-postgres-'))
  try {
    const user = serverUser()
    if (user !== undefined) chownSync(folder, user.uid, user.gid)
    const data = join(folder, 'data')
    const initdb = program.replace(/postgres$/, 'initdb')
    const made = ['-D', data, '--no-sync', '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--no-locale', '-N']
    execFileSync(initdb, made, { ...user, stdio: 'pipe', cwd: folder })
    const port = await freePort()
    return await startService({
      name: 'PostgreSQL',
      command: [program, '-D', data, ...settings(port, folder, options)],
      user,
      // Immediate shutdown: its shared memory is given back, which SIGKILL would leave behind.
      endSignal: 'SIGQUIT',
      folder,
      url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
      port,
      ready: /database system is ready to accept connections/,
    })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

function settings(port: number, folder: string, options: PostgresOptions): readonly string[] {
  const all = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    // What is committed is handed to the kernel: it survives a killed server, and not a power cut.
    fsync: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    max_connections: options.maxConnections ?? 60,
    autovacuum: 'off',
    ...options.settings,
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** PostgreSQL refuses to run as root: then as the user that Debian's package made. */
export function serverUser(): ServiceUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
