import { sql } from 'kysely'
import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { stageOf } from '../../../learning/rollout/state.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { learnedStrategies } from '../../../platform/config/learned-strategies.ts'
import { floatMean } from '../../../platform/store/sums.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import type { RouterServices } from './services.ts'

const tag = 'router'
const day = 86_400_000
const counts = z.record(z.string(), z.int())

/** RouteIQ's documented paths over what is behind `/v1/routeiq/router`. Read only: routing is configured, not patched. */
export function compatibleRoutes(gateway: Gateway, management: Management, services: RouterServices): Route[] {
  const { store } = management.governance
  const read = { method: 'GET', permission: 'viewer', tag } as const
  const strategy = (): string => gateway.snapshot.loaded.config.router_settings.routing_strategy
  const names = (): string[] => [...new Set([strategy(), ...learnedStrategies])].sort()
  return [
    apiRoute({
      ...read,
      paths: ['/router/info'],
      summary: 'Strategies and artifacts (RouteIQ’s path)',
      response: z.looseObject({ registered_strategies: z.array(z.string()), strategy_count: z.int() }),
      handle: () => ({
        registered_strategies: names(),
        strategy_count: names().length,
        active_strategy: strategy(),
        hot_reload_enabled: true,
        registry: Object.fromEntries(
          [...services.directory.routers].map(([router, { state, revision }]) => [
            router,
            { stage: stageOf(state), active: state.active, previous: state.previous, revision },
          ]),
        ),
      }),
    }),
    apiRoute({
      ...read,
      paths: ['/llmrouter/strategies/compare'],
      summary: 'Strategies side by side (RouteIQ’s path)',
      response: z.looseObject({ strategies: z.array(z.looseObject({ name: z.string() })), total: z.int() }),
      async handle() {
        const running = await store.db
          .selectFrom('router_experiments')
          .select(['name', 'settings'])
          .where('status', '=', 'running')
          .execute()
        const active = strategy()
        return {
          strategies: names().map(name => ({
            name,
            family: name.startsWith('llmrouter-') ? 'llmrouter' : 'routeiq',
            state: name === active ? 'active' : 'available',
            active: name === active,
          })),
          total: names().length,
          active_strategy: active,
          ab_enabled: running.length > 0,
          ab_weights: Object.fromEntries(
            running.flatMap(({ settings }) =>
              (JSON.parse(settings) as { arms: { name: string; share: number }[] }).arms.map(arm => [
                arm.name,
                arm.share,
              ]),
            ),
          ),
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/api/v1/routeiq/routing/stats', '/api/v1/routeiq/stats/global'],
      summary: 'Decisions of learned routes, of all replicas (RouteIQ’s path)',
      query: z.object({ days: z.coerce.number().gt(0).max(365).default(1) }),
      response: z.looseObject({
        total_decisions: z.int(),
        strategy_distribution: counts,
        model_distribution: counts,
        average_latency_ms: z.number().nullable(),
        cluster_wide: z.literal(true),
      }),
      async handle({ query }) {
        const since = Math.floor(management.clock.epoch() - query.days * day)
        const by = async (column: 'strategy' | 'chosen' | 'reason' | 'router') => {
          const rows = await store.db
            .selectFrom('router_decisions')
            .select([column, sql<number>`count(*)`.as('calls')])
            .where('at', '>=', since)
            .groupBy(column)
            .orderBy('calls', 'desc')
            .limit(200)
            .execute()
          return Object.fromEntries(rows.map(row => [String(row[column]), row.calls]))
        }
        const total = await store.db
          .selectFrom('router_decisions')
          .select([
            sql<number>`count(*)`.as('calls'),
            floatMean(store, sql`duration_ms`).as('latency'),
            sql<number | null>`sum(explored)`.as('explored'),
          ])
          .where('at', '>=', since)
          .executeTakeFirst()
        return {
          total_decisions: total?.calls ?? 0,
          explored_decisions: Number(total?.explored ?? 0),
          strategy_distribution: await by('strategy'),
          model_distribution: await by('chosen'),
          reason_distribution: await by('reason'),
          router_distribution: await by('router'),
          average_latency_ms: total?.latency ?? null,
          cluster_wide: true as const,
          days: query.days,
          recorder: services.recorder.counts,
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/api/v1/routeiq/routing/config'],
      summary: 'How calls are routed (RouteIQ’s path)',
      description: 'Changed in the configuration, or by rollouts and experiments under /v1/routeiq/router.',
      response: z.looseObject({ active_strategy: z.string(), available_strategies: z.array(z.string()) }),
      handle: () => ({
        active_strategy: strategy(),
        available_strategies: names(),
        ab_testing: {
          enabled: [...services.directory.routers.keys()].some(name => services.directory.experimentOf(name)),
        },
        routing: gateway.snapshot.loaded.config.routeiq.routing.strategy ?? null,
      }),
    }),
  ]
}
