import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'
import { GatewayError } from '../../errors/gateway-error.ts'

/**
 * How TLS is used, in libpq's words (postgresql.org/docs/current/libpq-ssl.html): `prefer` encrypts where the server
 * can, `require` insists, `verify-ca` also checks who signed the certificate, `verify-full` also whom it names. The `pg`
 * package reads `prefer` and `require` as `verify-full`; a URL that works with LiteLLM must work here.
 */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** Options of `tls.connect`. */
type TlsOptions = Exclude<ClientConfig['ssl'], boolean | undefined>

export interface DatabaseUrl {
  /** For `pg`: the URL without what is read here. Holds the password. */
  readonly connectionString: string
  readonly sslMode: SslMode
  /** Undefined: no TLS. */
  readonly tls: TlsOptions | undefined
  /** Where the tables are. */
  readonly schema: string
  /** Command-line options for the server's session; empty for none. */
  readonly options: string
  /**
   * A connection pooler in transaction mode stands before the server (Prisma's `pgbouncer=true`): it refuses settings at
   * connect. The role must bring them: `alter role … set search_path = routeiq`, `… set statement_timeout = '30s'`.
   */
  readonly behindPooler: boolean
  readonly poolSize: number | undefined
  readonly connectTimeoutMs: number | undefined
  /** Host, port and database, for logs. */
  readonly description: string
}

const modes: readonly string[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] satisfies SslMode[]

/** Parameters read here, and those of Prisma that mean nothing to this program; `pg` must not see them. */
const ours = [
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslaccept',
  'sslpassword',
  'sslidentity',
  'schema',
  'options',
  'pgbouncer',
  'connection_limit',
  'pool_timeout',
  'connect_timeout',
  'socket_timeout',
  'statement_cache_size',
]

/**
 * Reads a PostgreSQL URL as LiteLLM's users have it, with the parameters of libpq and Prisma.
 * @throws GatewayError `config_invalid`; the message never holds the URL
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const url = parse(text)
  const parameters = new Map(url.searchParams)
  const onSocket = (parameters.get('host') ?? '').startsWith('/')
  const sslMode = onSocket ? 'disable' : readMode(parameters)
  for (const name of ours) url.searchParams.delete(name)
  const host = parameters.get('host') ?? (url.hostname || 'localhost')
  const port = url.port || parameters.get('port') || '5432'
  return {
    connectionString: url.toString(),
    sslMode,
    tls: sslMode === 'disable' ? undefined : tlsOptions(sslMode, parameters),
    schema: readSchema(parameters.get('schema')),
    options: parameters.get('options') ?? '',
    behindPooler: parameters.get('pgbouncer') === 'true',
    poolSize: positive(parameters.get('connection_limit'), 'connection_limit'),
    connectTimeoutMs: seconds(parameters.get('connect_timeout') ?? parameters.get('pool_timeout')),
    description: `PostgreSQL ${host}:${port}${decodeURIComponent(url.pathname)}`,
  }
}

function parse(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part)
  } catch {
    throw invalid('is not a URL; write postgresql://user:password@host:5432/database and percent-encode the password')
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw invalid(`begins with ${url.protocol}//; only postgresql:// is supported`)
  }
  return url
}

function readMode(parameters: ReadonlyMap<string, string>): SslMode {
  const mode = parameters.get('sslmode') ?? 'prefer'
  // pg's own word for what libpq calls `require`.
  if (mode === 'no-verify' || mode === 'allow') return mode === 'allow' ? 'prefer' : 'require'
  if (!modes.includes(mode)) throw invalid(`has sslmode=${mode}; use ${modes.join(', ')}`)
  // libpq: with a root certificate `require` behaves as `verify-ca`. Prisma: `sslaccept=strict` verifies.
  const strict = parameters.get('sslaccept') === 'strict' || parameters.get('sslrootcert') === 'system'
  if (strict && mode !== 'disable') return 'verify-full'
  return mode === 'require' && parameters.has('sslrootcert') ? 'verify-ca' : (mode as SslMode)
}

function tlsOptions(mode: SslMode, parameters: ReadonlyMap<string, string>): TlsOptions {
  const root = parameters.get('sslrootcert')
  const options: TlsOptions = { rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full' }
  if (root !== undefined && root !== 'system') options.ca = file(root, 'sslrootcert')
  const certificate = parameters.get('sslcert')
  const key = parameters.get('sslkey')
  // Prisma's `sslcert` alone is the server's root certificate; libpq's comes with a key and is the client's.
  if (certificate !== undefined && key === undefined) options.ca = file(certificate, 'sslcert')
  if (certificate !== undefined && key !== undefined) {
    options.cert = file(certificate, 'sslcert')
    options.key = file(key, 'sslkey')
  }
  if (mode === 'verify-ca') options.checkServerIdentity = () => undefined
  return options
}

function file(path: string, parameter: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw invalid(`names a file in ${parameter} that cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function readSchema(name = 'routeiq'): string {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) return name
  throw invalid('has a schema that is no plain name: use letters, digits and _')
}

function positive(text: string | undefined, parameter: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw invalid(`has ${parameter}=${text}; use a whole number above 0`)
}

/** 0 means no limit to Prisma; everything is bounded here, so it means the default. */
function seconds(text: string | undefined): number | undefined {
  const value = Number(text)
  return Number.isFinite(value) && value > 0 ? value * 1000 : undefined
}

function invalid(what: string): GatewayError {
  return new GatewayError('config_invalid', `database_url ${what}`)
}
