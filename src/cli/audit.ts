import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Checkpoint, parseCheckpoint, readPublicKey } from '../governance/audit/checkpoint.ts'
import { readExport } from '../governance/audit/read-export.ts'
import { type Found, type Verdict, verifyChain } from '../governance/audit/verify.ts'
import { type StoreVerification, verifyStore } from '../governance/audit/verify-store.ts'
import { Secret } from '../platform/security/secret.ts'
import { openStore, type StoreOptions } from '../platform/store/open-store.ts'

const usage = `routeiq audit verify: is the audit log complete and unchanged?

  --database-url <url>     log in PostgreSQL        (env DATABASE_URL)
  --sqlite <file>          log in SQLite
  --export <path>          exported NDJSON (also .gz), or a folder with the objects of an S3 sink
  --checkpoint <file>      a checkpoint kept elsewhere that the log must pass through; may be repeated
  --public-key <file>      Ed25519 key (PEM, or 32 bytes in base64) by which checkpoints must be signed
  --partial                the export does not start at record 1
  --json                   print the verdict as JSON

Exit code: 0 complete and unchanged, 1 broken, 2 nothing could be verified.
`

/** What stops a verification before it says anything about the log. */
class Misuse extends Error {}

/** `routeiq audit …`. @returns the exit code. */
export async function audit(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  print: (text: string) => void = text => process.stdout.write(text),
): Promise<number> {
  try {
    const { values, positionals } = parse(argv)
    if (values.help === true) {
      print(usage)
      return 0
    }
    const [command, ...rest] = positionals
    if (command !== 'verify' || rest.length > 0) throw new Misuse(`unknown command: audit ${positionals.join(' ')}`)
    const verdict = await verify(values, env)
    print(values.json === true ? `${JSON.stringify(verdict)}\n` : told(verdict))
    return verdict.valid ? 0 : 1
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`routeiq audit: ${message}\n${error instanceof Misuse ? `\n${usage}` : ''}`)
    return 2
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        'database-url': { type: 'string' },
        sqlite: { type: 'string' },
        export: { type: 'string' },
        checkpoint: { type: 'string', multiple: true },
        'public-key': { type: 'string' },
        partial: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error))
  }
}

type Values = ReturnType<typeof parse>['values']

async function verify(values: Values, env: NodeJS.ProcessEnv): Promise<Verdict> {
  const sources = [values['database-url'], values.sqlite, values.export].filter(source => source !== undefined)
  if (sources.length > 1) throw new Misuse('give one of --database-url, --sqlite, --export')
  const options = { checkpoints: (values.checkpoint ?? []).map(readCheckpoint), publicKey: publicKey(values) }
  if (values.export !== undefined) return verifyExport(values.export, options, values.partial === true)
  if (values.partial === true) throw new Misuse('--partial is for --export')
  const store = await openStore(storeOptions(values, env))
  try {
    return await verifyStore(store.db, options)
  } finally {
    await store.close()
  }
}

async function verifyExport(path: string, options: StoreVerification, partial: boolean): Promise<Verdict> {
  if (!existsSync(path)) throw new Error(`there is no ${path}`)
  const { records, checkpoints, files } = await readExport(path)
  if (files === 0) throw new Error(`${path} has no .ndjson or .ndjson.gz files`)
  const all = { ...options, checkpoints: [...(options.checkpoints ?? []), ...checkpoints] }
  if (!partial) return verifyChain(records, all)
  const iterator = records[Symbol.asyncIterator]()
  const first = await iterator.next()
  const record = first.done === true ? undefined : first.value.record
  const start: Checkpoint | undefined = record && {
    version: 1,
    seq: record.seq - 1,
    hash: record.previous_hash,
    at: record.at,
  }
  return verifyChain(startingWith(first, iterator), { ...all, start, startTrusted: true })
}

async function* startingWith(first: IteratorResult<Found>, rest: AsyncIterator<Found>): AsyncGenerator<Found> {
  for (let next = first; next.done !== true; next = await rest.next()) yield next.value
}

function storeOptions(values: Values, env: NodeJS.ProcessEnv): StoreOptions {
  const path = values.sqlite
  if (path !== undefined) {
    // Opening would make it.
    if (!existsSync(path)) throw new Error(`there is no ${path}`)
    return { kind: 'sqlite', path }
  }
  const url = values['database-url'] ?? env['DATABASE_URL']
  if (url === undefined || url === '') throw new Misuse('give one of --database-url, --sqlite, --export')
  return { kind: 'postgres', url: new Secret(url) }
}

function readCheckpoint(file: string): Checkpoint {
  const checkpoint = parseCheckpoint(readFileSync(file, 'utf8'))
  if (checkpoint === undefined) throw new Error(`${file} is no checkpoint`)
  return checkpoint
}

function publicKey(values: Values): StoreVerification['publicKey'] {
  const file = values['public-key']
  if (file === undefined) return undefined
  const key = readPublicKey(readFileSync(file, 'utf8'))
  if (key === undefined) throw new Error(`${file} holds no Ed25519 key (PEM, or 32 bytes in base64)`)
  return key
}

function told(verdict: Verdict): string {
  const { records, first, last, hash, repeated, checkpoints } = verdict
  const range = first === undefined ? 'no records' : `${records} records, ${first} to ${last}`
  const lines: string[] = []
  if (verdict.break === undefined) lines.push(`valid: ${range}`)
  else {
    const { kind, seq, message, place } = verdict.break
    lines.push(`BROKEN at record ${seq} (${kind}): ${message}`)
    if (place !== undefined) lines.push(`found in ${place}`)
    lines.push(`sound before it: ${range}`)
  }
  if (repeated > 0) lines.push(`passed over ${repeated} identical copies`)
  lines.push(`checkpoints passed: ${checkpoints}`, `hash of the last sound record: ${hash}`)
  return `${lines.join('\n')}\n`
}
