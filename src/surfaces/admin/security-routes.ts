import { z } from 'zod'
import { apiRoute } from '../api-route.ts'
import type { Fleet } from '../fleet.ts'
import type { Route } from '../route.ts'

const denial = z.object({
  purpose: z.string().describe('What the connection was for: providers, webhooks, mcp, image_fetch, secrets, …'),
  host: z.string().describe('Empty where the address was no URL.'),
  port: z.string(),
  reason: z.string().describe('The class of address, or port, scheme, credentials, invalid_url, redirect, not_listed.'),
  count: z.int(),
  first_seen: z.iso.datetime(),
  last_seen: z.iso.datetime(),
})

const secret = z.object({
  reference: z.string().describe('As written in the config: os.environ/OPENAI_API_KEY. Never a value.'),
  system: z.string(),
  read_at: z.iso.datetime().nullable(),
  changed_at: z.iso.datetime().nullable(),
  expires_at: z.iso.datetime().nullable(),
  problem: z.string().nullable().describe('Why it could not be read the last time; the value at hand stays in use.'),
})

/** What the outbound door refused, and the state of the secrets in use. */
export function securityRoutes(fleet: Fleet): Route[] {
  return [
    apiRoute({
      method: 'GET',
      paths: ['/v1/routeiq/egress/denials'],
      permission: 'admin',
      tag: 'security',
      summary: 'Outbound connections that were refused lately, the latest first',
      response: z.object({ denials: z.array(denial) }),
      handle: async () => ({ denials: await fleet.egressDenials() }),
    }),
    apiRoute({
      method: 'GET',
      paths: ['/v1/routeiq/secrets'],
      permission: 'admin',
      tag: 'security',
      summary: 'The secrets in use: where they come from and when they were read',
      response: z.object({ secrets: z.array(secret) }),
      handle: async () => ({ secrets: await fleet.secrets() }),
    }),
    apiRoute({
      method: 'POST',
      paths: ['/v1/routeiq/secrets/refresh'],
      permission: 'admin',
      tag: 'security',
      summary: 'Read all secrets in use now, in every worker',
      description: 'For a rotation that shall not wait for the next poll. Reads the configuration as well.',
      response: z.object({
        status: z.enum(['refreshed', 'config_refused']),
        problems: z.array(z.string()),
        secrets: z.array(secret),
      }),
      async handle() {
        // Loading a configuration reads whatever it refers to; live credentials follow even where nothing else changed.
        const { applied, problems } = await fleet.reload()
        const status = applied ? ('refreshed' as const) : ('config_refused' as const)
        return { status, problems: [...problems], secrets: await fleet.secrets() }
      },
    }),
  ]
}
