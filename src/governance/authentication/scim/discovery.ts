import { ScimError } from './scim-error.ts'

export const userSchema = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const groupSchema = 'urn:ietf:params:scim:schemas:core:2.0:Group'

/** Largest page; also what a list without `count` gives. */
export const maxPage = 100

/** What this service can do, RFC 7643 §5. */
export const serviceProviderConfig = (base: string): object => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  documentationUri: 'https://www.rfc-editor.org/rfc/rfc7644',
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: maxPage },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: true },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'Bearer token',
      description: 'A key of an administrator, limited to the route group scim_routes',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
})

const resourceType = (base: string, name: 'User' | 'Group', endpoint: string, schema: string): object => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
  id: name,
  name,
  endpoint,
  description: name === 'User' ? 'People; users of the gateway' : 'Groups; teams of the gateway',
  schema,
  schemaExtensions: [],
  meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
})

export const resourceTypes = (base: string): readonly object[] => [
  resourceType(base, 'User', '/Users', userSchema),
  resourceType(base, 'Group', '/Groups', groupSchema),
]

interface AttributeOptions {
  readonly type?: 'string' | 'boolean' | 'complex' | 'reference'
  readonly multiValued?: boolean
  readonly required?: boolean
  readonly mutability?: 'readWrite' | 'readOnly' | 'immutable'
  readonly uniqueness?: 'none' | 'server'
  readonly caseExact?: boolean
  readonly subAttributes?: readonly object[]
}

const attribute = (name: string, description: string, options: AttributeOptions = {}): object => ({
  name,
  type: 'string',
  multiValued: false,
  description,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...options,
})

export const schemas = (base: string): readonly object[] => [
  {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id: userSchema,
    name: 'User',
    description: 'User account',
    attributes: [
      attribute('userName', 'Name the person is known by at the identity provider', {
        required: true,
        uniqueness: 'server',
      }),
      attribute('name', 'Parts of the name', {
        type: 'complex',
        subAttributes: [
          attribute('givenName', 'Given name'),
          attribute('familyName', 'Family name'),
          attribute('formatted', 'Full name'),
        ],
      }),
      attribute('displayName', 'Name to show'),
      attribute('externalId', 'Id at the identity provider', { caseExact: true }),
      attribute('active', 'False: the user and its keys are blocked', { type: 'boolean' }),
      attribute('emails', 'Addresses; the primary one is the user’s', {
        type: 'complex',
        multiValued: true,
        subAttributes: [
          attribute('value', 'Address'),
          attribute('type', 'work, home, other'),
          attribute('primary', 'The one that counts', { type: 'boolean' }),
        ],
      }),
      attribute('groups', 'Teams the user belongs to; changed through Groups', {
        type: 'complex',
        multiValued: true,
        mutability: 'readOnly',
        subAttributes: [
          attribute('value', 'Id of the group', { mutability: 'readOnly' }),
          attribute('display', 'Name of the group', { mutability: 'readOnly' }),
        ],
      }),
    ],
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${userSchema}` },
  },
  {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id: groupSchema,
    name: 'Group',
    description: 'Team',
    attributes: [
      attribute('displayName', 'Name of the team', { required: true }),
      attribute('externalId', 'Id at the identity provider', { caseExact: true }),
      attribute('members', 'Users of the team', {
        type: 'complex',
        multiValued: true,
        subAttributes: [
          attribute('value', 'Id of the user', { mutability: 'immutable' }),
          attribute('display', 'Name of the user', { mutability: 'immutable' }),
        ],
      }),
    ],
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${groupSchema}` },
  },
]

/** One of a list by id. @throws ScimError 404 */
export function byId(list: readonly object[], id: string): object {
  const found = list.find(entry => 'id' in entry && entry.id === id)
  if (found === undefined) throw new ScimError(404, 'There is no such schema or resource type.')
  return found
}

/** RFC 7644 §3.4.2. */
export const listResponse = (resources: readonly object[], total: number, startIndex: number): object => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
  totalResults: total,
  startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
})
