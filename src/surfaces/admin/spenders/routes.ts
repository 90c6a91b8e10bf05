import { z } from 'zod'
import { idText, limitFields, record, texts } from '../../../governance/management/limit-fields.ts'
import type { Management } from '../../../governance/management/management.ts'
import { AccessGroups, Budgets, Customers, Projects, Tags } from '../../../governance/management/spenders/spenders.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const customer = z.looseObject({ user_id: z.string() })
const project = z.looseObject({ project_id: z.string() })
const budget = z.looseObject({ budget_id: z.string() })
const tag = z.looseObject({ name: z.string() })
const accessGroup = z.looseObject({ access_group_id: z.string(), access_group_name: z.string() })

/** Objects beside keys, teams, users and organizations that spend, or that grants and budgets hang on. */
export function spenderRoutes(management: Management): Route[] {
  return [
    ...customerRoutes(new Customers(management)),
    ...projectRoutes(new Projects(management)),
    ...budgetRoutes(new Budgets(management)),
    ...tagRoutes(new Tags(management)),
    ...accessGroupRoutes(new AccessGroups(management)),
  ]
}

/** Everything under LiteLLM's two names for them. */
const customerPaths = (path: string): string[] => [`/customer${path}`, `/end_user${path}`]

function customerRoutes(customers: Customers): Route[] {
  type Shown = z.input<typeof customer>
  const write = { tag: 'customers', method: 'POST', permission: 'admin' } as const
  const read = { tag: 'customers', method: 'GET', permission: 'viewer' } as const
  const fields = {
    ...limitFields,
    alias: z.string().max(255).nullish(),
    blocked: z.boolean().nullish(),
    budget_id: idText.nullish(),
    allowed_model_region: z.enum(['eu', 'us']).nullish(),
    default_model: z.string().max(255).nullish(),
    spend: z.number().min(0).nullish(),
    metadata: record.nullish(),
    object_permission: record.nullish(),
  }
  const ids = z.object({ user_ids: z.array(idText).min(1).max(1000) })
  return [
    apiRoute({
      ...write,
      paths: customerPaths('/new'),
      summary: 'Make an end user',
      body: z.object({ ...fields, user_id: idText }),
      response: customer,
      handle: ({ body, ...caller }) => customers.create(caller, body) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      paths: customerPaths('/update'),
      summary: 'Change an end user',
      body: z.object({ ...fields, user_id: idText }),
      response: customer,
      handle: ({ body, ...caller }) => customers.update(caller, body.user_id, body) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      paths: customerPaths('/delete'),
      summary: 'Delete end users',
      body: ids,
      response: z.object({ deleted_customers: z.number(), message: z.string() }),
      handle: async ({ body, ...caller }) => {
        const deleted = await customers.delete(caller, body.user_ids)
        return { deleted_customers: deleted, message: `Deleted ${deleted} customers` }
      },
    }),
    ...(['block', 'unblock'] as const).map(verb =>
      apiRoute({
        ...write,
        paths: customerPaths(`/${verb}`),
        summary: verb === 'block' ? 'Block end users' : 'Lift blocks',
        body: ids,
        response: z.object({ blocked_users: z.array(customer) }),
        handle: async ({ body, ...caller }) => ({
          blocked_users: (await customers.setBlocked(caller, body.user_ids, verb === 'block')) as Shown[],
        }),
      }),
    ),
    apiRoute({
      ...read,
      paths: customerPaths('/info'),
      summary: 'An end user',
      query: z.object({ end_user_id: idText }),
      response: customer,
      handle: ({ query }) => customers.info(query.end_user_id) as Promise<Shown>,
    }),
    apiRoute({
      ...read,
      paths: customerPaths('/list'),
      summary: 'End users, the newest first',
      response: z.array(customer),
      handle: () => customers.list() as Promise<Shown[]>,
    }),
  ]
}

function projectRoutes(projects: Projects): Route[] {
  type Shown = z.input<typeof project>
  const common = { tag: 'projects', permission: 'self' } as const
  const fields = {
    ...limitFields,
    project_alias: z.string().max(255).nullish(),
    description: z.string().max(2000).nullish(),
    models: texts.nullish(),
    metadata: record.nullish(),
    tags: texts.nullish(),
    budget_id: idText.nullish(),
    blocked: z.boolean().nullish(),
    object_permission: record.nullish(),
  }
  return [
    apiRoute({
      ...common,
      method: 'POST',
      paths: ['/project/new'],
      summary: 'Make a project of a team',
      body: z.object({ ...fields, project_id: idText.nullish(), team_id: idText }),
      response: project,
      handle: ({ body, ...caller }) => projects.create(caller, body) as Promise<Shown>,
    }),
    ...(['POST', 'PATCH'] as const).map(method =>
      apiRoute({
        ...common,
        method,
        paths: ['/project/update'],
        summary: 'Change a project',
        body: z.object({ ...fields, project_id: idText }),
        response: project,
        handle: ({ body, ...caller }) => projects.update(caller, body.project_id, body) as Promise<Shown>,
      }),
    ),
    apiRoute({
      ...common,
      method: 'DELETE',
      paths: ['/project/delete'],
      summary: 'Delete projects, with their keys',
      body: z.object({ project_ids: z.array(idText).min(1).max(200) }),
      response: z.array(project),
      handle: ({ body, ...caller }) => projects.delete(caller, body.project_ids) as Promise<Shown[]>,
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/project/info'],
      summary: 'A project',
      query: z.object({ project_id: idText }),
      response: project,
      handle: ({ query, ...caller }) => projects.info(caller, query.project_id) as Promise<Shown>,
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/project/list'],
      summary: 'Projects of your teams',
      response: z.array(project),
      handle: ({ ...caller }) => projects.list(caller) as Promise<Shown[]>,
    }),
  ]
}

function budgetRoutes(budgets: Budgets): Route[] {
  type Shown = z.input<typeof budget>
  const write = { tag: 'budgets', method: 'POST', permission: 'admin' } as const
  const read = { tag: 'budgets', method: 'GET', permission: 'viewer' } as const
  return [
    apiRoute({
      ...write,
      paths: ['/budget/new'],
      summary: 'Make a budget that several objects share',
      body: z.object({ ...limitFields, budget_id: idText.nullish() }),
      response: budget,
      handle: ({ body, ...caller }) => budgets.create(caller, body) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      paths: ['/budget/update'],
      summary: 'Change a budget',
      body: z.object({ ...limitFields, budget_id: idText }),
      response: budget,
      handle: ({ body, ...caller }) => budgets.update(caller, body.budget_id, body) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      paths: ['/budget/delete'],
      summary: 'Delete a budget; objects that hang on it have no limit from it any more',
      body: z.object({ id: idText }),
      response: budget,
      handle: ({ body, ...caller }) => budgets.delete(caller, body.id) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      permission: 'viewer',
      writes: false,
      paths: ['/budget/info'],
      summary: 'Budgets by id',
      body: z.object({ budgets: z.array(idText).min(1).max(200) }),
      response: z.array(budget),
      handle: ({ body }) => budgets.info(body.budgets) as Promise<Shown[]>,
    }),
    apiRoute({
      ...read,
      paths: ['/budget/list'],
      summary: 'All budgets',
      response: z.array(budget),
      handle: () => budgets.list() as Promise<Shown[]>,
    }),
    apiRoute({
      ...read,
      paths: ['/budget/settings'],
      summary: 'Fields of a budget and what one has set',
      query: z.object({ budget_id: idText }),
      response: z.array(z.object({ field_name: z.string(), field_value: z.unknown() })),
      handle: async ({ query }) => {
        const [found] = await budgets.info([query.budget_id])
        return Object.keys(limitFields).map(field => ({ field_name: field, field_value: found?.[field] ?? null }))
      },
    }),
  ]
}

function tagRoutes(tags: Tags): Route[] {
  type Shown = z.input<typeof tag>
  const write = { tag: 'tags', method: 'POST', permission: 'admin' } as const
  const fields = {
    ...limitFields,
    description: z.string().max(2000).nullish(),
    models: texts.nullish(),
    model_info: record.nullish(),
    budget_id: idText.nullish(),
  }
  return [
    apiRoute({
      ...write,
      paths: ['/tag/new'],
      summary: 'Make a tag',
      body: z.object({ ...fields, name: idText }),
      response: z.object({ message: z.string(), tag }),
      handle: async ({ body, ...caller }) => ({
        message: `Tag ${body.name} created`,
        tag: (await tags.create(caller, body)) as Shown,
      }),
    }),
    apiRoute({
      ...write,
      paths: ['/tag/update'],
      summary: 'Change a tag',
      body: z.object({ ...fields, name: idText }),
      response: z.object({ message: z.string(), tag }),
      handle: async ({ body, ...caller }) => ({
        message: `Tag ${body.name} updated`,
        tag: (await tags.update(caller, body.name, body)) as Shown,
      }),
    }),
    apiRoute({
      ...write,
      paths: ['/tag/delete'],
      summary: 'Delete a tag',
      body: z.object({ name: idText }),
      response: z.object({ message: z.string() }),
      handle: async ({ body, ...caller }) => {
        await tags.delete(caller, body.name)
        return { message: `Tag ${body.name} deleted` }
      },
    }),
    apiRoute({
      ...write,
      permission: 'viewer',
      writes: false,
      paths: ['/tag/info'],
      summary: 'Tags by name',
      body: z.object({ names: z.array(idText).min(1).max(200) }),
      response: z.record(z.string(), tag),
      handle: ({ body }) => tags.info(body.names) as Promise<Record<string, Shown>>,
    }),
    apiRoute({
      ...write,
      method: 'GET',
      permission: 'viewer',
      paths: ['/tag/list'],
      summary: 'All tags that were made',
      response: z.array(tag),
      handle: () => tags.list() as Promise<Shown[]>,
    }),
  ]
}

function accessGroupRoutes(groups: AccessGroups): Route[] {
  type Shown = z.input<typeof accessGroup>
  const write = { tag: 'access groups', permission: 'admin' } as const
  const read = { tag: 'access groups', method: 'GET', permission: 'viewer' } as const
  const fields = {
    description: z.string().max(2000).nullish(),
    access_model_names: texts.nullish(),
    access_mcp_server_ids: texts.nullish(),
    access_agent_ids: texts.nullish(),
    assigned_team_ids: texts.nullish(),
    assigned_key_ids: texts.nullish(),
  }
  const paths = (path: string): string[] => [`/v1/access_group${path}`, `/v1/unified_access_group${path}`]
  const byId = z.object({ id: idText })
  const byName = z.object({ group: idText })
  /** LiteLLM's older routes call the group `access_group` and its models `model_names`. */
  const legacy = z.object({ access_group: idText, model_names: texts })
  return [
    apiRoute({
      ...write,
      method: 'POST',
      paths: paths(''),
      status: 201,
      summary: 'Make an access group',
      body: z.object({ ...fields, access_group_name: idText }),
      response: accessGroup,
      handle: ({ body, ...caller }) => groups.create(caller, body) as Promise<Shown>,
    }),
    apiRoute({
      ...read,
      paths: paths(''),
      summary: 'All access groups',
      response: z.array(accessGroup),
      handle: () => groups.list() as Promise<Shown[]>,
    }),
    apiRoute({
      ...read,
      paths: paths('/:id'),
      summary: 'An access group',
      params: byId,
      response: accessGroup,
      handle: ({ params }) => groups.info(params.id) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      method: 'PUT',
      paths: paths('/:id'),
      summary: 'Change an access group',
      params: byId,
      body: z.object({ ...fields, access_group_name: idText.nullish() }),
      response: accessGroup,
      handle: ({ params, body, ...caller }) => groups.update(caller, params.id, body) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      method: 'DELETE',
      paths: paths('/:id'),
      summary: 'Delete an access group',
      params: byId,
      response: accessGroup,
      handle: ({ params, ...caller }) => groups.delete(caller, params.id) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      method: 'POST',
      paths: ['/access_group/new'],
      summary: 'Make a group of models',
      body: legacy,
      response: accessGroup,
      handle: ({ body, ...caller }) =>
        groups.create(caller, {
          access_group_name: body.access_group,
          access_model_names: body.model_names,
        }) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      method: 'PUT',
      paths: ['/access_group/:group/update'],
      summary: 'Change a group of models',
      params: byName,
      body: legacy.omit({ access_group: true }),
      response: accessGroup,
      handle: async ({ params, body, ...caller }) =>
        (await groups.update(caller, await groups.idOf(params.group), {
          access_model_names: body.model_names,
        })) as Shown,
    }),
    apiRoute({
      ...write,
      method: 'DELETE',
      paths: ['/access_group/:group/delete'],
      summary: 'Delete a group of models',
      params: byName,
      response: accessGroup,
      handle: async ({ params, ...caller }) => (await groups.delete(caller, await groups.idOf(params.group))) as Shown,
    }),
    apiRoute({
      ...read,
      paths: ['/access_group/:group/info'],
      summary: 'A group of models',
      params: byName,
      response: accessGroup,
      handle: async ({ params }) => (await groups.info(await groups.idOf(params.group))) as Shown,
    }),
    apiRoute({
      ...read,
      paths: ['/access_group/list'],
      summary: 'All groups of models',
      response: z.object({ access_groups: z.array(accessGroup) }),
      handle: async () => ({ access_groups: (await groups.list()) as Shown[] }),
    }),
  ]
}
