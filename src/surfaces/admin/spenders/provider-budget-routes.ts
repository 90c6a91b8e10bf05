import { z } from 'zod'
import { parseDuration } from '../../../governance/limits/durations.ts'
import { spentSince } from '../../../governance/limits/ledger-sums.ts'
import type { Management } from '../../../governance/management/management.ts'
import { dollarsFromNano } from '../../../governance/management/present.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const budget = z.object({
  budget_limit: z.number().nullable(),
  time_period: z.string().nullable(),
  spend: z.number().describe('In the running period, by the ledger; calls of the last second may be missing.'),
  budget_reset_at: z.string().nullable(),
})

/** `router_settings.provider_budget_config`, and what is left of it. */
export function providerBudgetRoutes(gateway: Gateway, { governance, clock }: Management): Route[] {
  return [
    apiRoute({
      tag: 'budgets',
      method: 'GET',
      permission: 'viewer',
      paths: ['/provider/budgets'],
      summary: 'Budgets of vendors, and what was spent of them',
      response: z.object({ providers: z.record(z.string(), budget) }),
      async handle() {
        const { config } = gateway.snapshot.loaded
        const { calendar } = gateway.snapshot.governed.enforcement
        const providers: Record<string, z.input<typeof budget>> = {}
        for (const [name, own] of Object.entries(config.router_settings.provider_budget_config ?? {})) {
          const period = own.time_period ?? own.budget_duration
          const duration = parseDuration(period)
          const window = duration === undefined ? undefined : calendar.window(duration, clock.epoch())
          const rule = { scope: 'provider', scopeId: name, model: undefined } as const
          providers[name] = {
            budget_limit: own.budget_limit ?? own.max_budget ?? null,
            time_period: period ?? null,
            spend: dollarsFromNano(await spentSince(governance.store.db, rule, window?.start)),
            budget_reset_at: window === undefined ? null : new Date(window.end).toISOString(),
          }
        }
        return { providers }
      },
    }),
  ]
}
