import { expect, it } from 'vitest'
import { emptyUsage } from '../../translate/token-usage.ts'
import { deployment } from '../routing/routing.fixtures.ts'
import { serviceTierOf } from './service-tier.ts'

const asking = (tier?: unknown) => ({ json: tier === undefined ? {} : { service_tier: tier }, text: '', headers: {} })

it.each([
  ['flex', 'default', undefined, 'default'],
  ['flex', undefined, undefined, 'flex'],
  [undefined, 'priority', undefined, 'priority'],
  [undefined, undefined, 'flex', 'flex'],
  ['priority', undefined, 'flex', 'priority'],
  [undefined, undefined, undefined, undefined],
  [7, undefined, undefined, undefined],
])('asked %s, served %s, configured %s: billed as %s', (asked, served, configured, billed) => {
  const usage = { ...emptyUsage(), serviceTier: served }
  const base = deployment('a')
  const at = { ...base, target: { ...base.target, defaults: configured ? { service_tier: configured } : {} } }
  expect(serviceTierOf(usage, asking(asked), at)).toBe(billed)
})
