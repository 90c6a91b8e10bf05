import type { Governance } from '../../../governance/governance.ts'
import type { Calendar } from '../../../governance/limits/windows.ts'
import type { Management } from '../../../governance/management/management.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import type { Clock } from '../../../platform/clock.ts'
import type { ModelPrice } from '../../../providers/model-price.ts'

/** What the spend routes need of the gateway. */
export interface SpendServices {
  readonly governance: Pick<Governance, 'store' | 'state' | 'change'>
  readonly clock: Clock
  /** Those in force now. */
  readonly settings: () => SpendSettings
  /** The deployment a call to a model would be priced by; undefined: no such model. */
  readonly priced: (model: string) => PricedModel | undefined
}

export interface SpendSettings {
  /** `general_settings.scope_spend_list_endpoints_to_caller`, true by default. */
  readonly scopeListsToCaller: boolean
  /** `litellm_settings.max_budget`, dollars. */
  readonly maxBudget: number | undefined
  readonly calendar: Calendar
}

export interface PricedModel {
  /** Model group. */
  readonly model: string
  readonly provider: string
  readonly price: ModelPrice | undefined
}

export function spendServices(gateway: Gateway, { governance, clock, settings }: Management): SpendServices {
  return {
    governance,
    clock,
    settings() {
      const { general_settings: general, litellm_settings: litellm } = gateway.snapshot.loaded.config
      const { calendar } = settings()
      return {
        scopeListsToCaller: settingOf(general, 'scope_spend_list_endpoints_to_caller') !== false,
        maxBudget: numberOf(settingOf(litellm, 'max_budget')),
        calendar,
      }
    },
    priced(model) {
      const group = gateway.snapshot.router.resolve(model)
      const deployment = group?.deployments[0]
      if (group === undefined || deployment === undefined) return undefined
      return { model: group.name, provider: deployment.target.vendor.id, price: deployment.price }
    },
  }
}

const settingOf = (settings: object, name: string): unknown => (settings as Readonly<Record<string, unknown>>)[name]
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
