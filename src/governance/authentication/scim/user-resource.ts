import { z } from 'zod'
import type { UserRow } from '../../../platform/store/tables.ts'
import { parseSettings, recordOf, textOf } from '../../objects/settings.ts'
import { userSchema } from './discovery.ts'
import type { Resource } from './patch.ts'
import { ScimError } from './scim-error.ts'

const text = z.string().max(512)
/** Entra ID sends flags as text. */
const flag = z.union([z.boolean(), z.enum(['true', 'True', 'false', 'False']).transform(word => /^t/i.test(word))])

const userBody = z.object({
  userName: text.min(1),
  externalId: text.nullish(),
  displayName: text.nullish(),
  name: z.object({ givenName: text.nullish(), familyName: text.nullish(), formatted: text.nullish() }).nullish(),
  emails: z
    .array(z.object({ value: text, primary: flag.nullish(), type: text.nullish() }))
    .max(50)
    .nullish(),
  active: flag.nullish(),
})

/** What a User resource says, in our words. */
export interface ScimUser {
  readonly userName: string
  readonly externalId: string | undefined
  readonly displayName: string | undefined
  readonly givenName: string | undefined
  readonly familyName: string | undefined
  readonly email: string | undefined
  readonly active: boolean
}

/** @throws ScimError `invalidValue` */
export function readUser(body: unknown): ScimUser {
  const parsed = userBody.safeParse(body)
  if (!parsed.success) throw invalidValue(parsed.error)
  const { userName, externalId, displayName, name, emails, active } = parsed.data
  const primary = emails?.find(email => email.primary === true) ?? emails?.[0]
  return {
    userName,
    externalId: externalId ?? undefined,
    displayName: displayName ?? name?.formatted ?? undefined,
    givenName: name?.givenName ?? undefined,
    familyName: name?.familyName ?? undefined,
    email: primary?.value ?? (userName.includes('@') ? userName : undefined),
    active: active ?? true,
  }
}

export function invalidValue(error: z.ZodError): ScimError {
  const [issue] = error.issues
  const at = issue?.path.join('.') ?? ''
  return new ScimError(
    400,
    `${at === '' ? 'The resource' : `'${at}'`} is not valid: ${issue?.message ?? ''}.`,
    'invalidValue',
  )
}

/** LiteLLM keeps names under `metadata.scim_metadata`; the rest is ours. */
export function userSettings(before: string | undefined, user: ScimUser): string {
  const settings = parseSettings(before)
  return JSON.stringify({
    ...settings,
    metadata: {
      ...recordOf(settings, 'metadata'),
      scim_metadata: { givenName: user.givenName ?? null, familyName: user.familyName ?? null },
      scim_active: user.active,
      scim_user_name: user.userName,
    },
  })
}

export interface GroupOfUser {
  readonly team_id: string
  readonly team_alias: string | null
}

export function userResource(row: UserRow, groups: readonly GroupOfUser[], base: string): Resource {
  const metadata = recordOf(parseSettings(row.settings), 'metadata')
  const names = recordOf(metadata, 'scim_metadata')
  const userName = textOf(metadata, 'scim_user_name') ?? row.user_email ?? row.user_id
  const displayName = row.user_alias ?? textOf(names, 'givenName') ?? userName
  return {
    schemas: [userSchema],
    id: row.user_id,
    userName,
    displayName,
    ...(row.sso_user_id === null ? {} : { externalId: row.sso_user_id }),
    name: {
      givenName: textOf(names, 'givenName') ?? displayName,
      familyName: textOf(names, 'familyName') ?? displayName,
    },
    emails: row.user_email === null ? [] : [{ value: row.user_email, type: 'work', primary: true }],
    active: row.blocked === 0,
    groups: groups.map(({ team_id: value, team_alias: alias }) => ({ value, display: alias ?? value })),
    meta: {
      resourceType: 'User',
      created: new Date(row.created_at).toISOString(),
      lastModified: new Date(row.updated_at).toISOString(),
      location: `${base}/Users/${encodeURIComponent(row.user_id)}`,
      version: versionOf(row.updated_at),
    },
  }
}

/** A weak ETag: when it was changed last. */
export const versionOf = (updatedAt: number): string => `W/"${updatedAt.toString(36)}"`
