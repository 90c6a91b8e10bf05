/** LiteLLM's table names for the kinds of objects it has; other kinds go by their own name. */
const tables: Readonly<Record<string, string>> = {
  key: 'LiteLLM_VerificationToken',
  team: 'LiteLLM_TeamTable',
  user: 'LiteLLM_UserTable',
  organization: 'LiteLLM_OrganizationTable',
  project: 'LiteLLM_ProjectTable',
  end_user: 'LiteLLM_EndUserTable',
  budget: 'LiteLLM_BudgetTable',
  tag: 'LiteLLM_TagTable',
  access_group: 'LiteLLM_AccessGroupTable',
  credential: 'LiteLLM_CredentialsTable',
  model: 'LiteLLM_ProxyModelTable',
  invitation: 'LiteLLM_InvitationLink',
  config: 'LiteLLM_Config',
  policy: 'LiteLLM_PolicyTable',
}

const kinds = new Map(Object.entries(tables).map(([kind, table]) => [table, kind]))

export const tableOf = (kind: string): string => (Object.hasOwn(tables, kind) ? (tables[kind] ?? kind) : kind)

/** Accepts LiteLLM's name and our own. */
export const kindOf = (table: string): string => kinds.get(table) ?? table
