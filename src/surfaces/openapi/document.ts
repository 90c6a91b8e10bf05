import { z } from 'zod'
import { catalogue } from '../../platform/errors/catalogue.ts'
import { version } from '../../platform/version.ts'
import { groupsOf, type Route } from '../route.ts'

type Json = Record<string, unknown>

/** Sections of the document, in reading order; routes without a description of their own go by what they are. */
const tags: Readonly<Record<string, string>> = {
  llm: 'Calls to models, in the callers’ own protocols',
  health: 'Is it up, and what does it know',
  keys: 'Virtual keys',
  teams: 'Teams and their members',
  users: 'People',
  organizations: 'Organizations',
  projects: 'Projects',
  customers: 'End users',
  budgets: 'Budgets shared by several objects',
  tags: 'Tags',
  'access groups': 'Sets of models, tools and agents that are granted together',
  models: 'Deployments, from the file and from the database',
  credentials: 'Vendor credentials, encrypted',
  spend: 'What was spent, on what, by whom',
  audit: 'Who changed what',
  policies: 'Allow and deny rules',
  settings: 'Settings',
  login: 'Sessions, single sign-on, invitations',
  scim: 'SCIM 2.0',
  gateway: 'The gateway itself',
}

/** The OpenAPI 3.1 document of every route, made from the schemas that check the requests. */
export function openapiDocument(routes: readonly Route[], serverUrl: string): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    for (const [index, path] of route.paths.entries()) {
      const template = path.replaceAll(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}')
      const operations = paths[template] ?? {}
      operations[route.method.toLowerCase()] = operation(route, template, index)
      paths[template] = operations
    }
  }
  const used = new Set(routes.map(tagOf))
  return {
    openapi: '3.1.0',
    info: {
      title: 'RouteIQ Gateway',
      version,
      description: 'One door to every model, tool and agent. Calls to models follow the vendors’ own documents.',
      license: { name: 'MIT' },
    },
    servers: [{ url: serverUrl }],
    tags: [...used]
      .sort((a, b) => order(a) - order(b))
      .map(name => ({ name, ...(tags[name] === undefined ? {} : { description: tags[name] }) })),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'Master key, virtual key, or a token of your identity provider.',
        },
      },
      schemas: { Error: errorSchema },
    },
    security: [{ bearer: [] }],
  }
}

const order = (tag: string): number => {
  const at = Object.keys(tags).indexOf(tag)
  return at < 0 ? 99 : at
}

const errorSchema: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: 'string', enum: Object.keys(catalogue) },
      },
    },
  },
}

function tagOf(route: Route): string {
  if (route.api !== undefined) return route.api.tag
  if (route.paths.some(path => path.includes('health'))) return 'health'
  return route.permission === 'llm' ? 'llm' : 'gateway'
}

function operation(route: Route, template: string, alias: number): Json {
  const { api } = route
  const parameters = [...pathParameters(template, api?.params), ...queryParameters(api?.query)]
  const error = (description: string) => ({
    description,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  })
  const success = api === undefined ? {} : schemaOf(api.response, 'output')
  return {
    operationId: operationId(route, template),
    summary: api?.summary ?? summaryOf(route),
    ...(api?.description === undefined ? {} : { description: api.description }),
    tags: [tagOf(route)],
    ...(alias > 0 ? { description: `The same as ${route.paths[0]}.` } : {}),
    ...(route.permission === 'public' ? { security: [] } : {}),
    'x-permission': route.permission,
    'x-route-groups': groupsOf(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(api?.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(api.body, 'input') } } } }),
    responses: {
      [String(api?.status ?? 200)]: { description: 'Done', content: { 'application/json': { schema: success } } },
      ...(api?.body === undefined && api?.query === undefined
        ? {}
        : { 400: error('A field is not valid; `param` names it') }),
      ...(route.permission === 'public'
        ? {}
        : {
            401: error('No valid key'),
            403: error('The key may not use this route or object'),
            429: error('A limit is reached'),
          }),
      ...(template.includes('{') ? { 404: error('There is none that you may see') } : {}),
    },
  }
}

const operationId = (route: Route, template: string): string =>
  `${route.method.toLowerCase()}${template.replaceAll(/[{}]/g, '').replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => (next ?? '').toUpperCase())}` ||
  route.method.toLowerCase()

const summaryOf = (route: Route): string => `${route.method} ${route.paths[0]}`

function pathParameters(template: string, schema: z.ZodType | undefined): Json[] {
  const properties = propertiesOf(schema)
  return [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: properties[name] ?? { type: 'string' },
  }))
}

function queryParameters(schema: z.ZodType | undefined): Json[] {
  if (schema === undefined) return []
  const json = schemaOf(schema, 'input')
  const required = Array.isArray(json['required']) ? json['required'] : []
  return Object.entries(propertiesOf(schema)).map(([name, property]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: property,
  }))
}

function propertiesOf(schema: z.ZodType | undefined): Record<string, unknown> {
  const properties = schema === undefined ? undefined : schemaOf(schema, 'input')['properties']
  return typeof properties === 'object' && properties !== null ? (properties as Record<string, unknown>) : {}
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return json
}
