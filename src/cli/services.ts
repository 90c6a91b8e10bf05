import { Cooldown, type CooldownChange } from '../pipeline/routing/cooldown.ts'
import { LiveStats } from '../pipeline/routing/live-stats.ts'
import type { SnapshotServices } from '../pipeline/snapshot.ts'
import { systemClock } from '../platform/clock.ts'
import type { Secret } from '../platform/security/secret.ts'
import { PriceBook } from '../providers/price-book.ts'

/** What compiling a snapshot needs, with the real clock and dice. */
export function snapshotServices(
  masterKey: Secret,
  demoOrigin: string | undefined,
  onCooldown?: (change: CooldownChange) => void,
): SnapshotServices {
  const cooldown = new Cooldown({ clock: systemClock, onChange: onCooldown })
  const live = new LiveStats({ clock: systemClock })
  return {
    prices: PriceBook.load(),
    routing: { live, cooldown, clock: systemClock, random: Math.random },
    masterKey,
    demoOrigin,
  }
}
