import { type Claims, idAt } from '../jwt/claims.ts'
import type { OidcClient } from './client.ts'
import type { PersonTeam } from './profile.ts'
import type { SsoSettings } from './settings.ts'

/** Pages of at most 999 entries. */
const maxPages = 10

/**
 * A person's groups from Microsoft Graph, under their names. With a service principal only the groups that are assigned to
 * the application count. Undefined: Graph does not tell (the application may lack the permission).
 */
export async function microsoftGroups(
  client: Pick<OidcClient, 'get'>,
  microsoft: NonNullable<SsoSettings['microsoft']>,
  accessToken: string,
): Promise<readonly PersonTeam[] | undefined> {
  const { graph, servicePrincipalId } = microsoft
  if (servicePrincipalId === undefined) return undefined
  const own = await listed(client, graph, '/me/memberOf?$select=id,displayName&$top=999', accessToken)
  if (own === undefined) return undefined
  const path = `/servicePrincipals/${encodeURIComponent(servicePrincipalId)}/appRoleAssignedTo?$top=999`
  const assigned = await listed(client, graph, path, accessToken)
  if (assigned === undefined) return undefined
  const names = new Map(
    assigned
      .filter(entry => entry['principalType'] === 'Group')
      .map(entry => [idAt(entry, 'principalId'), idAt(entry, 'principalDisplayName')] as const),
  )
  return own.flatMap(group => {
    const id = idAt(group, 'id')
    return id !== undefined && names.has(id) ? [{ id, name: idAt(group, 'displayName') ?? names.get(id) }] : []
  })
}

async function listed(
  client: Pick<OidcClient, 'get'>,
  graph: string,
  path: string,
  accessToken: string,
): Promise<Claims[] | undefined> {
  const entries: Claims[] = []
  let url: string | undefined = graph + path
  for (let page = 0; url !== undefined && page < maxPages; page++) {
    const answer = (await client.get(url, accessToken)) as Claims | undefined
    const values = answer?.['value']
    if (answer === undefined || !Array.isArray(values)) return undefined
    entries.push(...(values as Claims[]))
    const next = answer['@odata.nextLink']
    // The access token goes to Graph and nowhere else.
    url = typeof next === 'string' && new URL(next).origin === new URL(graph).origin ? next : undefined
  }
  return entries
}
