import { compileEnforcement } from '../governance/limits/compile-enforcement.ts'
import { LimitPlanner } from '../governance/limits/plan.ts'
import type { SpendSource } from '../governance/limits/spend-source.ts'
import { Cooldown, type CooldownChange } from '../pipeline/routing/cooldown.ts'
import type { LearnedServices } from '../pipeline/routing/learned/learned-services.ts'
import { LiveStats } from '../pipeline/routing/live-stats.ts'
import type { SnapshotServices } from '../pipeline/snapshot.ts'
import { systemClock } from '../platform/clock.ts'
import type { Secret } from '../platform/security/secret.ts'
import { PriceBook } from '../providers/price-book.ts'
import { silentLearnedServices } from './learned.ts'

export interface ServiceOptions {
  /** Default: nothing was ever spent, for a configuration that is only looked at. */
  readonly spend?: SpendSource
  readonly onCooldown?: (change: CooldownChange) => void
  /** Default: learned routes without anybody to tell. */
  readonly learned?: LearnedServices
}

const nothingSpent: SpendSource = { spent: async () => 0 }

/** What compiling a snapshot needs, with the real clock and dice. */
export function snapshotServices(
  masterKey: Secret,
  demoOrigin: string | undefined,
  { spend = nothingSpent, onCooldown, learned = silentLearnedServices() }: ServiceOptions = {},
): SnapshotServices {
  const cooldown = new Cooldown({ clock: systemClock, onChange: onCooldown })
  const live = new LiveStats({ clock: systemClock })
  return {
    prices: PriceBook.load(),
    routing: { live, cooldown, clock: systemClock, random: Math.random, learned },
    masterKey,
    demoOrigin,
    limitsOf(config) {
      const enforcement = compileEnforcement(config)
      return { enforcement, planner: new LimitPlanner({ enforcement, spend, clock: systemClock }) }
    },
  }
}
