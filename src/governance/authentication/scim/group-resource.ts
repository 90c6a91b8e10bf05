import { z } from 'zod'
import type { TeamRow } from '../../../platform/store/tables.ts'
import { parseSettings, recordOf, textOf } from '../../objects/settings.ts'
import { groupSchema } from './discovery.ts'
import type { Resource } from './patch.ts'
import { invalidValue, versionOf } from './user-resource.ts'

const text = z.string().max(512)
export const maxMembers = 10_000

const groupBody = z.object({
  displayName: text.min(1),
  externalId: text.nullish(),
  members: z
    .array(z.object({ value: text.min(1), display: text.nullish() }))
    .max(maxMembers)
    .nullish(),
})

export interface ScimGroup {
  readonly displayName: string
  readonly externalId: string | undefined
  /** User ids, each once. */
  readonly members: readonly string[]
}

/** @throws ScimError `invalidValue` */
export function readGroup(body: unknown): ScimGroup {
  const parsed = groupBody.safeParse(body)
  if (!parsed.success) throw invalidValue(parsed.error)
  const { displayName, externalId, members } = parsed.data
  return {
    displayName,
    externalId: externalId ?? undefined,
    members: [...new Set((members ?? []).map(member => member.value))],
  }
}

export function groupSettings(before: string | undefined, group: ScimGroup): string {
  const settings = parseSettings(before)
  return JSON.stringify({
    ...settings,
    metadata: {
      ...recordOf(settings, 'metadata'),
      ...(group.externalId === undefined ? {} : { scim_external_id: group.externalId }),
    },
  })
}

export interface MemberOfGroup {
  readonly user_id: string
  readonly user_email: string | null
}

export function groupResource(row: TeamRow, members: readonly MemberOfGroup[], base: string): Resource {
  const externalId = textOf(recordOf(parseSettings(row.settings), 'metadata'), 'scim_external_id')
  return {
    schemas: [groupSchema],
    id: row.team_id,
    displayName: row.team_alias ?? row.team_id,
    ...(externalId === undefined ? {} : { externalId }),
    members: members.map(({ user_id: value, user_email: email }) => ({
      value,
      display: email ?? value,
      $ref: `${base}/Users/${encodeURIComponent(value)}`,
    })),
    meta: {
      resourceType: 'Group',
      created: new Date(row.created_at).toISOString(),
      lastModified: new Date(row.updated_at).toISOString(),
      location: `${base}/Groups/${encodeURIComponent(row.team_id)}`,
      version: versionOf(row.updated_at),
    },
  }
}
