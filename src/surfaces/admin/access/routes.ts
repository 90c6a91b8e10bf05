import { z } from 'zod'
import { AllowedIps } from '../../../governance/management/access/allowed-ips.ts'
import type { Management } from '../../../governance/management/management.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const body = z.object({ ip: z.string().min(1).max(60).describe('An address, or a CIDR range.') })
const answer = z.object({ message: z.string(), status: z.literal('success'), data: z.array(z.string()) })

/** LiteLLM's calls around the list of addresses that may come in. */
export function accessRoutes(gateway: Gateway, management: Management): Route[] {
  const ips = new AllowedIps(management)
  // A list without one's own address must not shut out whoever holds the master key.
  const common = { tag: 'settings', permission: 'admin', anywhere: 'master_key' } as const
  return [
    apiRoute({
      ...common,
      method: 'GET',
      permission: 'viewer',
      paths: ['/get/allowed_ips'],
      summary: 'Addresses that may call',
      description: 'Those of the configuration and those of the database. Empty: every address.',
      response: z.object({ data: z.array(z.string()), database: z.array(z.string()) }),
      handle: async () => ({
        data: [...(gateway.snapshot.loaded.config.general_settings.allowed_ips ?? []), ...(await ips.list())],
        database: [...(await ips.list())],
      }),
    }),
    apiRoute({
      ...common,
      method: 'POST',
      paths: ['/add/allowed_ip'],
      summary: 'Allow an address',
      description: 'The first one closes the gateway to all others, on every replica at once.',
      body,
      response: answer,
      handle: async ({ body: { ip }, ...caller }) => {
        const data = [...(await ips.add(caller, ip))]
        return { message: `IP ${ip} address added successfully`, status: 'success' as const, data }
      },
    }),
    apiRoute({
      ...common,
      method: 'POST',
      paths: ['/delete/allowed_ip'],
      summary: 'Take an address off the list',
      description: 'Without the last one every address may call, unless the configuration has a list.',
      body,
      response: answer,
      handle: async ({ body: { ip }, ...caller }) => {
        const data = [...(await ips.delete(caller, ip))]
        return { message: `IP ${ip} deleted successfully`, status: 'success' as const, data }
      },
    }),
  ]
}
