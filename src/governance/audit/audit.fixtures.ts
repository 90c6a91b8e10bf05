import type { Store } from '../../platform/store/store.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import { MetricsRegistry, type MetricsSnapshot } from '../../platform/telemetry/metrics.ts'
import type { Actor, AuditEvent } from './audit-log.ts'
import { AuditMetrics } from './audit-metrics.ts'
import { ChainedAuditLog } from './chained-audit-log.ts'
import { contentOf } from './content.ts'
import type { DenialLimits } from './denials.ts'
import { type AuditRecord, chained, genesis } from './record.ts'

export const alice: Actor = { name: 'alice', token: 'a1'.repeat(32), address: '192.0.2.1' }

export function updated(objectId: string, more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    actor: alice,
    action: 'updated',
    objectKind: 'team',
    objectId,
    before: { max_budget: 1 },
    after: { max_budget: 2, note: `of ${objectId}` },
    ...more,
  }
}

/** A sound chain of `count` records that start at `start`, one second apart. */
export function chain(count: number, start = 1_790_000_000_000): AuditRecord[] {
  const records: AuditRecord[] = []
  for (let index = 0; index < count; index++) {
    const content = contentOf(updated(`team-${index + 1}`), start + index * 1000)
    records.push(chained(content, records.at(-1) ?? genesis))
  }
  return records
}

export const silent = createLogger({ level: 'silent' })

export interface TestLog {
  readonly audit: ChainedAuditLog
  readonly metrics: AuditMetrics
  snapshot(): MetricsSnapshot
}

export function testLog(store: Store, denials?: DenialLimits): TestLog {
  const registry = new MetricsRegistry()
  const metrics = new AuditMetrics(registry)
  const options = { enabled: true, ...(denials && { denials }) }
  const audit = new ChainedAuditLog({ store, log: silent, metrics }, options)
  return { audit, metrics, snapshot: () => registry.snapshot() }
}

/** Value of one series. */
export function metric(snapshot: MetricsSnapshot, name: string, ...labels: readonly string[]): unknown {
  const family = snapshot.find(found => found.name === name)
  return family?.series.find(([found]) => labels.every((label, index) => found[index] === label))?.[1]
}
