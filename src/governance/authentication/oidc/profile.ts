import { roles as allRoles, type Role } from '../../authorization/roles.ts'
import { type Claims, idAt, idsAt } from '../jwt/claims.ts'
import { readRole } from '../login/settings.ts'
import { notAdmitted } from '../token-errors.ts'
import type { SsoSettings } from './settings.ts'

/** Somebody an identity provider vouches for. */
export interface Person {
  readonly id: string
  readonly email: string | undefined
  readonly emailVerified: boolean
  readonly displayName: string | undefined
  /** Undefined: the provider says nothing of roles. */
  readonly role: Role | undefined
  /** Undefined: the provider says nothing of teams, so memberships stay as they are. */
  readonly teams: readonly PersonTeam[] | undefined
}

export interface PersonTeam {
  readonly id: string
  readonly name: string | undefined
}

/** Claims → person. @throws GatewayError `permission_denied` */
export function personOf(settings: SsoSettings, claims: Claims): Person {
  const { attributes } = settings
  const first = (paths: readonly string[]): string | undefined => {
    for (const path of paths) {
      const value = idAt(claims, path)
      if (value !== undefined) return value
    }
    return undefined
  }
  const id = first(attributes.id)
  if (id === undefined) {
    throw notAdmitted(
      `The identity provider gives no user id (${attributes.id.join(', ')}); /sso/debug/login shows what it gives.`,
    )
  }
  const email = first(attributes.email)
  const emailVerified = claims['email_verified'] !== false && claims['email_verified'] !== 'false'
  checkDomain(settings.allowedDomains, email, emailVerified)
  const groups = attributes.teams === undefined || idsAt(claims, attributes.teams).length === 0
  return {
    id,
    email,
    emailVerified,
    displayName: first(attributes.displayName),
    role: roleOf(settings, claims),
    teams: groups ? undefined : idsAt(claims, attributes.teams).map(team => ({ id: team, name: undefined })),
  }
}

/** Roles a provider may give: those of people, not those of tokens that stand for teams. */
const personal: ReadonlySet<Role> = new Set(allRoles.filter(role => role !== 'team' && role !== 'customer'))

function roleOf({ attributes, roleGroups }: SsoSettings, claims: Claims): Role | undefined {
  const named = idsAt(claims, attributes.role)
    .map(readRole)
    .filter(role => role !== undefined && personal.has(role))
  if (named[0] !== undefined) return named[0]
  if (roleGroups === undefined) return undefined
  const groups = idsAt(claims, roleGroups.claim)
  return (
    roleGroups.roles.find(entry => entry.groups.some(group => groups.includes(group)))?.role ?? roleGroups.otherwise
  )
}

function checkDomain(allowed: readonly string[], email: string | undefined, verified: boolean): void {
  if (allowed.length === 0) return
  const domain = email?.slice(email.lastIndexOf('@') + 1).toLowerCase()
  if (email === undefined || !email.includes('@') || domain === undefined || !allowed.includes(domain) || !verified) {
    throw notAdmitted('Only verified e-mail addresses of the domains in ALLOWED_EMAIL_DOMAINS may log in.')
  }
}
