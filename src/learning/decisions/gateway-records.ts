import type { Store } from '../../platform/store/store.ts'
import { type GatewayRecord, writeGatewayRecord } from '../dataset/gateway-record.ts'
import { feedbackLabel } from '../labels/feedback.ts'
import type { Label } from '../labels/label.ts'
import { fromMicro } from './micro.ts'
import { type DecisionFilter, type LoggedDecision, readDecisions } from './read-decisions.ts'

const page = 200

/**
 * Own decisions, outcomes, feedback and captured text as a data set's source: one line each, in the format that
 * `routeiq router dataset build` reads. Without capture a record has no text, and trains nothing but tables of outcomes.
 */
export async function* gatewayRecords(store: Store, filter: DecisionFilter): AsyncGenerator<string> {
  let waiting: LoggedDecision[] = []
  for await (const decision of readDecisions(store, filter)) {
    waiting.push(decision)
    if (waiting.length < page) continue
    yield* await lines(store, waiting)
    waiting = []
  }
  yield* await lines(store, waiting)
}

async function lines(store: Store, decisions: readonly LoggedDecision[]): Promise<string[]> {
  if (decisions.length === 0) return []
  const rows = await store.db
    .selectFrom('router_feedback')
    .select(['decision_id', 'kind', 'reward'])
    .where(
      'decision_id',
      'in',
      decisions.map(({ id }) => id),
    )
    .execute()
  const labels = new Map<string, Label[]>()
  for (const { decision_id, kind, reward } of rows) {
    const label = feedbackLabel({ score: fromMicro(reward) * 2 - 1, kind })
    if (label !== undefined) labels.set(decision_id, [...(labels.get(decision_id) ?? []), label])
  }
  return decisions.map(decision => writeGatewayRecord(recordOf(decision, labels.get(decision.id) ?? [])))
}

function recordOf(decision: LoggedDecision, feedback: readonly Label[]): GatewayRecord {
  const { details } = decision
  return {
    format: 'routeiq.routing_record.v1',
    requestId: decision.id,
    at: decision.at,
    route: decision.route,
    session: details.session,
    prompt: decision.text === undefined ? undefined : { text: decision.text.prompt, system: decision.text.system },
    shape: undefined,
    features: details.features,
    strategy: decision.strategy,
    // Whoever answered earned the label.
    model: decision.answeredBy ?? decision.chosen,
    candidates: details.candidates.map(({ model, quality, cost }) => ({
      model,
      quality: Math.min(1, Math.max(0, quality)),
      cost: Math.max(0, cost),
    })),
    explored: decision.explored,
    propensity: decision.propensity,
    lambda: details.lambda,
    artifact: decision.artifact,
    policy: details.policy,
    status: decision.failed ? 'failure' : 'success',
    inputTokens: decision.inputTokens,
    outputTokens: decision.outputTokens,
    cost: decision.cost,
    latency: decision.duration,
    labels: [...feedback, ...checkLabels(decision)],
  }
}

/** Free checks are conditions of a good answer, no more. */
function checkLabels({ checked }: LoggedDecision): readonly Label[] {
  return checked === undefined ? [] : [{ source: 'check', value: checked < 1 ? 0 : 1, weight: 1, necessary: true }]
}
