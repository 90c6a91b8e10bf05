import { Secret } from '../../platform/security/secret.ts'
import { vendor } from '../vendors.ts'
import type { Target } from '../wire.ts'

/** A target as the snapshot would compile it, with the given fields in place of the plain ones. */
export function testTarget(vendorId: string, model: string, overrides: Partial<Target> = {}): Target {
  const row = vendor(vendorId)
  if (row === undefined) throw new Error(`no vendor ${vendorId}`)
  const base = new URL(row.baseUrl ?? 'https://upstream.test/v1')
  return {
    vendor: row,
    model,
    origin: base.origin,
    basePath: base.pathname.replace(/\/$/, ''),
    apiKey: new Secret('sk-test'),
    bearerToken: undefined,
    apiVersion: undefined,
    organization: undefined,
    extraHeaders: {},
    defaults: {},
    capabilities: {},
    baseModel: undefined,
    dropParams: false,
    additionalDropParams: [],
    allowedOpenaiParams: [],
    modifyParams: false,
    ...overrides,
  }
}
