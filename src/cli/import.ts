import { parseArgs } from 'node:util'
import { AuditMetrics } from '../governance/audit/audit-metrics.ts'
import { ChainedAuditLog } from '../governance/audit/chained-audit-log.ts'
import { type ImportReport, importLitellm, type ReadTable } from '../governance/import/import-litellm.ts'
import { litellmDecryption } from '../governance/import/litellm-secrets.ts'
import { systemClock } from '../platform/clock.ts'
import { loadConfig, parseConfig } from '../platform/config/load.ts'
import { ConfigError } from '../platform/config/problem.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { Secret } from '../platform/security/secret.ts'
import { openStore } from '../platform/store/open-store.ts'
import { createLogger } from '../platform/telemetry/logger.ts'
import { MetricsRegistry } from '../platform/telemetry/metrics.ts'
import { dataDirectory } from './data-directory.ts'
import { cipherOf, storeOptions } from './governance.ts'

const usage = `routeiq import litellm: copy keys, teams, users, budgets and models out of a LiteLLM database

  --database-url <url>     LiteLLM's PostgreSQL, only read
  --config, -c <file>      config of this gateway: where to copy to    (env CONFIG_FILE_PATH)
  --dry-run                count, write nothing
  --overwrite              replace what is here already (default: it stays)
  --json                   print the report as JSON

LiteLLM's salt key (LITELLM_SALT_KEY, else its master key) opens its vendor credentials: set
LITELLM_SOURCE_SALT_KEY to it where this gateway has another one.
`

/** @returns exit code: 0 done, 1 rows could not be read, 2 nothing could be done */
export async function runImport(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let values: ReturnType<typeof parse>['values']
  try {
    const parsed = parse(argv)
    values = parsed.values
    if (values.help) {
      process.stdout.write(usage)
      return 0
    }
    if (parsed.positionals[0] !== 'litellm' || parsed.positionals.length > 1)
      throw new Error('say what to import: litellm')
    if (values['database-url'] === undefined) throw new Error('--database-url is required')
  } catch (error) {
    process.stderr.write(`routeiq import: ${error instanceof Error ? error.message : 'not understood'}\n\n${usage}`)
    return 2
  }
  try {
    const report = await copy(values['database-url'], values.config ?? env['CONFIG_FILE_PATH'], env, {
      dryRun: values['dry-run'] === true,
      overwrite: values.overwrite === true,
    })
    process.stdout.write(
      values.json === true ? `${JSON.stringify(report)}\n` : readable(report, values['dry-run'] === true),
    )
    return report.problems.length > 0 ? 1 : 0
  } catch (error) {
    const text = error instanceof ConfigError ? error.format() : `routeiq import: ${reason(error)}\n`
    process.stderr.write(text)
    return 2
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      'database-url': { type: 'string' },
      config: { type: 'string', short: 'c' },
      'dry-run': { type: 'boolean' },
      overwrite: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

async function copy(
  sourceUrl: string,
  configPath: string | undefined,
  env: NodeJS.ProcessEnv,
  how: { readonly dryRun: boolean; readonly overwrite: boolean },
): Promise<ImportReport> {
  const loaded =
    configPath === undefined ? parseConfig('model_list: []', { env }) : await loadConfig(configPath, { env })
  const data = dataDirectory(configPath, loaded.config.routeiq.data_directory ?? env['ROUTEIQ_DATA_DIR'])
  const log = createLogger({ level: 'error', format: 'text' })
  const { default: pg } = await import('pg')
  const source = new pg.Client({
    connectionString: sourceUrl,
    connectionTimeoutMillis: 5000,
    statement_timeout: 60_000,
  })
  await source.connect()
  const store = await openStore(storeOptions(loaded, data.path, false)).catch(async error => {
    await source.end()
    throw error
  })
  const audit = new ChainedAuditLog(
    { store, log, metrics: new AuditMetrics(new MetricsRegistry()) },
    { enabled: loaded.config.litellm_settings.store_audit_logs ?? true },
  )
  try {
    await source.query('begin transaction isolation level repeatable read read only')
    const masterKey = new Secret(env['LITELLM_MASTER_KEY'] ?? '')
    const saltKey =
      env['LITELLM_SOURCE_SALT_KEY'] ??
      env['LITELLM_SALT_KEY'] ??
      loaded.config.general_settings.master_key?.reveal() ??
      env['LITELLM_MASTER_KEY']
    return await importLitellm({
      store,
      read: reader(source),
      cipher: cipherOf(loaded, masterKey),
      decrypt: await litellmDecryption(saltKey === undefined ? undefined : new Secret(saltKey)),
      now: systemClock.epoch(),
      recordIn: (trx, event) => audit.recordIn(trx, event),
      ...how,
    })
  } finally {
    await source.end()
    await audit.close()
    await store.close()
  }
}

interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: { row?: unknown; found?: unknown }[] }>
}

/** Pages in the order of the key; a table that another version of LiteLLM does not have is skipped. */
function reader(source: Queryable): ReadTable {
  const known = new Map<string, boolean>()
  return async (table, key, offset, limit) => {
    let exists = known.get(table)
    if (exists === undefined) {
      const { rows } = await source.query('select to_regclass($1) is not null as found', [`"${table}"`])
      exists = rows[0]?.found === true
      known.set(table, exists)
    }
    if (!exists) return undefined
    const order = key.map(column => `"${column}"`).join(', ')
    const { rows } = await source.query(
      `select row_to_json(t) as row from "${table}" t order by ${order} limit $1 offset $2`,
      [limit, offset],
    )
    return rows.map(({ row }) => row as Readonly<Record<string, unknown>>)
  }
}

function readable({ tables, problems }: ImportReport, dryRun: boolean): string {
  const lines = tables
    .filter(({ read }) => read > 0)
    .map(
      ({ table, read, written, kept, skipped }) =>
        `${table.padEnd(40)} ${String(read).padStart(7)} read ${String(written).padStart(7)} ${dryRun ? 'to write' : 'written'} ${String(kept).padStart(7)} kept ${String(skipped).padStart(7)} skipped`,
    )
  const trouble = problems.map(problem => `  ! ${problem}`)
  return `${[...lines, ...trouble].join('\n')}\n`
}

function reason(error: unknown): string {
  if (error instanceof GatewayError) return error.message
  const { code } = error as { code?: string }
  // Drivers repeat URLs with passwords in some messages: only the code is shown.
  return `the database cannot be read (${code ?? 'unknown reason'})`
}
