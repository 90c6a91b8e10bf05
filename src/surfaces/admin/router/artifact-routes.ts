import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { readUploaded } from '../../../learning/registry/admit.ts'
import {
  findArtifact,
  listArtifacts,
  maxArtifactBytes,
  pruneArtifacts,
  putArtifact,
  readBytes,
  type StoredArtifact,
} from '../../../learning/registry/artifact-store.ts'
import { readState } from '../../../learning/rollout/state-store.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { type RouterServices, recorded } from './services.ts'
import { artifactId, artifactShape, routerName, shownArtifact } from './shapes.ts'

const tag = 'router'
const paths = ['/v1/routeiq/router/artifacts']
const one = ['/v1/routeiq/router/artifacts/:id']
const params = z.object({ id: artifactId })

const upload = z.object({
  router: routerName.default('default'),
  artifact: z
    .base64()
    .max(Math.ceil((maxArtifactBytes * 4) / 3) + 4)
    .describe('The file that `routeiq router train` wrote, as base64.'),
  note: z.string().max(500).optional(),
})

/** Trained routers, kept in the store with where they came from. */
export function artifactRoutes(management: Management, services: RouterServices): Route[] {
  const { store } = management.governance
  return [
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths,
      summary: 'Artifacts, the newest first',
      query: z.object({ router: routerName.optional() }),
      response: z.object({ data: z.array(artifactShape) }),
      handle: async ({ query }) => ({ data: (await listArtifacts(store.db, query.router)).map(shownArtifact) }),
    }),
    apiRoute({
      method: 'POST',
      permission: 'admin',
      tag,
      paths,
      summary: 'Upload an artifact',
      description:
        'Checked before it is kept: hashes, signature, golden vectors. It decides nothing until it is activated or rolled out.',
      body: upload,
      response: artifactShape,
      status: 201,
      async handle({ body, actor }) {
        const bytes = Buffer.from(body.artifact, 'base64')
        const trained = readUploaded(bytes, services.read)
        const { router } = body
        const now = management.clock.epoch()
        await recorded(
          management,
          services,
          { actor, action: 'created', objectKind: 'router_artifact', objectId: trained.id },
          async trx => {
            const stored = { router, bytes, trained, createdBy: actor.name, note: body.note }
            const isNew = await putArtifact(trx, stored, now)
            const state = await readState(trx, router)
            const inUse = state === undefined ? [] : [state.state.active, state.state.previous]
            const rollout = state?.state.rollout?.artifact ?? null
            const removed = await pruneArtifacts(trx, router, [...inUse, rollout, trained.id])
            return {
              result: undefined,
              details: { router, bytes: bytes.length, signed: trained.signed, new: isNew, removed },
            }
          },
        )
        return shownArtifact(await required(management, trained.id))
      },
    }),
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths: one,
      summary: 'One artifact',
      params,
      response: artifactShape,
      handle: async ({ params: { id } }) => shownArtifact(await required(management, id)),
    }),
    apiRoute({
      method: 'GET',
      permission: 'admin',
      tag,
      paths: ['/v1/routeiq/router/artifacts/:id/content'],
      summary: 'Download an artifact',
      params,
      response: z.unknown(),
      async handle({ params: { id }, reply }) {
        const artifact = await required(management, id)
        const bytes = await readBytes(store.db, artifact.id)
        if (bytes === undefined) throw new GatewayError('not_found', 'The bytes of this artifact are not whole.')
        reply.type('application/octet-stream')
        reply.header('content-disposition', `attachment; filename="${artifact.id.slice(0, 12)}.routeiq"`)
        return bytes
      },
    }),
    apiRoute({
      method: 'DELETE',
      permission: 'admin',
      tag,
      paths: one,
      summary: 'Delete an artifact that nothing uses',
      params,
      response: artifactShape,
      async handle({ params: { id }, actor }) {
        const artifact = await required(management, id)
        refuseInUse(services, artifact)
        await recorded(
          management,
          services,
          { actor, action: 'deleted', objectKind: 'router_artifact', objectId: artifact.id },
          async trx => {
            await trx.deleteFrom('router_artifact_parts').where('artifact', '=', artifact.id).execute()
            await trx.deleteFrom('router_artifacts').where('id', '=', artifact.id).execute()
            return { result: undefined, before: shownArtifact(artifact) }
          },
        )
        return shownArtifact(artifact)
      },
    }),
  ]
}

/** @throws GatewayError 404 */
export async function required(management: Management, id: string): Promise<StoredArtifact> {
  const artifact = await findArtifact(management.governance.store.db, id)
  if (artifact !== undefined) return artifact
  throw new GatewayError('not_found', `There is no artifact '${id}', or more than one begins like this.`)
}

function refuseInUse({ directory }: RouterServices, { id }: StoredArtifact): void {
  for (const [router, { state }] of directory.routers) {
    if (![state.active, state.rollout?.artifact].includes(id)) continue
    throw new GatewayError(
      'conflict',
      `The router '${router}' uses this artifact; roll back or activate another first.`,
    )
  }
}
