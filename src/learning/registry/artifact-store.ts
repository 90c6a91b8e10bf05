import type { Kysely, Transaction } from 'kysely'
import type { RouterArtifactRow } from '../../platform/store/learning-tables.ts'
import type { Tables } from '../../platform/store/tables.ts'
import type { TrainedRouter } from '../predictor.ts'

/** Bytes of an artifact at most: what is promised is 5 MB. */
export const maxArtifactBytes = 16 * 1024 * 1024
/** Of one row: small enough for one statement of any server. */
const partBytes = 384 * 1024

/** The artifact in force stays, and so do this many others of a router. */
const keptPerRouter = 20

export interface StoredArtifact {
  /** SHA-256 of its content: a signed copy has the same. */
  readonly id: string
  readonly router: string
  readonly createdAt: number
  readonly createdBy: string | undefined
  readonly trainedAt: number
  readonly bytes: number
  readonly signed: boolean
  readonly datasetHash: string
  readonly runId: string | undefined
  readonly details: ArtifactDetails
}

/** What lists show without reading the bytes. */
export interface ArtifactDetails {
  readonly name: string
  readonly models: readonly { readonly id: string; readonly labels: number; readonly mean_quality: number }[]
  readonly methods: readonly string[]
  readonly mean_cost: number
  readonly clusters: number
  readonly note?: string
  /** Of its evaluation, where a pipeline run made it. */
  readonly report?: Readonly<Record<string, unknown>>
}

export interface NewArtifact {
  readonly router: string
  readonly bytes: Uint8Array
  /** What reading the bytes gave. */
  readonly trained: TrainedRouter
  readonly createdBy: string | undefined
  readonly runId?: string | undefined
  readonly note?: string | undefined
  readonly report?: Readonly<Record<string, unknown>> | undefined
}

/**
 * By content: the same artifact is stored once, and a signed copy takes the place of an unsigned one.
 * @returns whether something was stored
 */
export async function putArtifact(trx: Transaction<Tables>, artifact: NewArtifact, now: number): Promise<boolean> {
  const { bytes, trained, router } = artifact
  const { id } = trained
  const known = await trx.selectFrom('router_artifacts').select('signed').where('id', '=', id).executeTakeFirst()
  if (known !== undefined && (known.signed === 1 || !trained.signed)) return false
  const parts = Math.ceil(bytes.length / partBytes)
  await trx.deleteFrom('router_artifact_parts').where('artifact', '=', id).execute()
  await trx.deleteFrom('router_artifacts').where('id', '=', id).execute()
  await trx
    .insertInto('router_artifacts')
    .values({
      id,
      router,
      created_at: Math.floor(now),
      created_by: artifact.createdBy ?? null,
      trained_at: Math.floor(trained.createdAt),
      bytes: bytes.length,
      parts,
      signed: Number(trained.signed),
      dataset_hash: trained.datasetHash,
      run_id: artifact.runId ?? null,
      details: JSON.stringify(detailsOf(artifact)),
    })
    .execute()
  for (let part = 0; part < parts; part++) {
    const content = Buffer.from(bytes.subarray(part * partBytes, (part + 1) * partBytes)).toString('base64')
    await trx.insertInto('router_artifact_parts').values({ artifact: id, part, content }).execute()
  }
  return true
}

/** The bytes, as they are; whoever reads them checks them. Undefined: there is no such artifact, or not all of it. */
export async function readBytes(db: Kysely<Tables>, id: string): Promise<Uint8Array | undefined> {
  const meta = await db
    .selectFrom('router_artifacts')
    .select(['parts', 'bytes'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (meta === undefined) return undefined
  const rows = await db
    .selectFrom('router_artifact_parts')
    .select('content')
    .where('artifact', '=', id)
    .orderBy('part')
    .execute()
  const bytes = Buffer.concat(rows.map(({ content }) => Buffer.from(content, 'base64')))
  return bytes.length === meta.bytes ? bytes : undefined
}

export async function listArtifacts(db: Kysely<Tables>, router?: string): Promise<StoredArtifact[]> {
  let query = db.selectFrom('router_artifacts').selectAll().orderBy('created_at', 'desc').orderBy('id').limit(500)
  if (router !== undefined) query = query.where('router', '=', router)
  return (await query.execute()).map(stored)
}

/** By its id or the beginning of one, twelve digits or more. */
export async function findArtifact(db: Kysely<Tables>, id: string): Promise<StoredArtifact | undefined> {
  if (!/^[0-9a-f]{12,64}$/.test(id)) return undefined
  const rows = await db
    .selectFrom('router_artifacts')
    .selectAll()
    .where('id', '>=', id)
    .where('id', '<=', id.padEnd(64, 'f'))
    .limit(2)
    .execute()
  const [only] = rows
  return rows.length === 1 && only !== undefined ? stored(only) : undefined
}

/** Removes the oldest artifacts of a router beyond what is kept. @param inUse never removed */
export async function pruneArtifacts(
  trx: Transaction<Tables>,
  router: string,
  inUse: readonly (string | null)[],
): Promise<string[]> {
  const rows = await trx
    .selectFrom('router_artifacts')
    .select('id')
    .where('router', '=', router)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()
  const gone = rows
    .slice(keptPerRouter)
    .map(({ id }) => id)
    .filter(id => !inUse.includes(id))
  if (gone.length > 0) {
    await trx.deleteFrom('router_artifact_parts').where('artifact', 'in', gone).execute()
    await trx.deleteFrom('router_artifacts').where('id', 'in', gone).execute()
  }
  return gone
}

/** As decisions and cells name an artifact. */
export const shortId = (id: string): string => id.slice(0, 12)

function detailsOf({ trained, note, report }: NewArtifact): ArtifactDetails {
  return {
    name: trained.name,
    models: trained.models.map(({ id, labels, meanQuality }) => ({ id, labels, mean_quality: meanQuality })),
    methods: [...trained.methods],
    mean_cost: trained.meanCost,
    clusters: trained.clusters.length,
    ...(note === undefined ? {} : { note }),
    ...(report === undefined ? {} : { report }),
  }
}

function stored(row: RouterArtifactRow): StoredArtifact {
  return {
    id: row.id,
    router: row.router,
    createdAt: row.created_at,
    createdBy: row.created_by ?? undefined,
    trainedAt: row.trained_at,
    bytes: row.bytes,
    signed: row.signed === 1,
    datasetHash: row.dataset_hash,
    runId: row.run_id ?? undefined,
    details: JSON.parse(row.details) as ArtifactDetails,
  }
}
