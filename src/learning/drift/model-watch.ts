import { logEvidenceOfMore, type Tally } from '../experiments/evidence.ts'

/**
 * Has one model silently become another? Its errors, failed checks, answer lengths and prices as they were when watching
 * began, against those of now. Plain data, so that it lives in the store.
 */
export interface ModelWatch {
  readonly reference: ModelSums
  readonly current: ModelSums
  /** Cumulated deviation of answer length, in standard deviations: longer, shorter. */
  readonly longer: number
  readonly shorter: number
}

export interface ModelSums {
  readonly calls: number
  readonly failed: number
  readonly checked: number
  readonly badChecks: number
  readonly answers: number
  /** Of ln(output tokens + 1): sum and sum of squares. */
  readonly length: number
  readonly lengthSquared: number
  readonly priced: number
  /** Of cost over what the artifact's prices say. */
  readonly priceRatio: number
}

export interface WatchedCall {
  readonly failed: boolean
  readonly checked: number | undefined
  readonly outputTokens: number
  /** Cost over expected cost; undefined: not known. */
  readonly priceRatio: number | undefined
}

export type ModelSignal = 'errors' | 'checks' | 'length' | 'price'

const emptySums: ModelSums = {
  calls: 0,
  failed: 0,
  checked: 0,
  badChecks: 0,
  answers: 0,
  length: 0,
  lengthSquared: 0,
  priced: 0,
  priceRatio: 0,
}

export const newWatch: ModelWatch = { reference: emptySums, current: emptySums, longer: 0, shorter: 0 }

/** Calls that say how a model was. */
const referenceCalls = 200
/** Calls after which the present begins anew: a long good time must not hide a bad moment. */
const currentCalls = 500
/** Points by which errors and failed checks may rise. */
const margin = 0.03
/** One false alarm in ten thousand presents. */
const limit = Math.log(10_000)
/** CUSUM of length: half a standard deviation is noise; 12 is a shift by one for 24 calls. */
const lengthSlack = 0.5
const lengthLimit = 12
/** Deviations count up to this: one answer of 10,000 words is no trend. */
const lengthCap = 3
/** Relative change of price. */
const priceTolerance = 0.15
const minPriced = 30

export function watched(watch: ModelWatch, call: WatchedCall): ModelWatch {
  if (watch.reference.calls < referenceCalls) return { ...watch, reference: added(watch.reference, call) }
  const begun = watch.current.calls >= currentCalls ? emptySums : watch.current
  const z = deviation(watch.reference, call)
  return {
    ...watch,
    current: added(begun, call),
    longer: Math.max(0, watch.longer + z - lengthSlack),
    shorter: Math.max(0, watch.shorter - z - lengthSlack),
  }
}

/** What is not as it was. */
export function signalsOf({ reference, current, longer, shorter }: ModelWatch): readonly ModelSignal[] {
  if (reference.calls < referenceCalls) return []
  const signals: ModelSignal[] = []
  if (worse({ n: reference.calls, sum: reference.failed }, { n: current.calls, sum: current.failed })) {
    signals.push('errors')
  }
  if (worse({ n: reference.checked, sum: reference.badChecks }, { n: current.checked, sum: current.badChecks })) {
    signals.push('checks')
  }
  if (longer > lengthLimit || shorter > lengthLimit) signals.push('length')
  if (reference.priced >= minPriced && current.priced >= minPriced) {
    const before = reference.priceRatio / reference.priced
    const now = current.priceRatio / current.priced
    if (before > 0 && Math.abs(now / before - 1) > priceTolerance) signals.push('price')
  }
  return signals
}

const worse = (before: Tally, now: Tally): boolean => logEvidenceOfMore(before, now, margin) > limit

function deviation(reference: ModelSums, { failed, outputTokens }: WatchedCall): number {
  if (failed || reference.answers < 20) return 0
  const mean = reference.length / reference.answers
  const variance = reference.lengthSquared / reference.answers - mean * mean
  const z = (Math.log(outputTokens + 1) - mean) / Math.max(0.1, Math.sqrt(Math.max(0, variance)))
  return Math.max(-lengthCap, Math.min(lengthCap, z))
}

function added(sums: ModelSums, call: WatchedCall): ModelSums {
  const length = Math.log(call.outputTokens + 1)
  const answered = !call.failed
  return {
    calls: sums.calls + 1,
    failed: sums.failed + Number(call.failed),
    checked: sums.checked + Number(call.checked !== undefined),
    badChecks: sums.badChecks + (call.checked === undefined ? 0 : Number(call.checked < 1)),
    answers: sums.answers + Number(answered),
    length: sums.length + (answered ? length : 0),
    lengthSquared: sums.lengthSquared + (answered ? length * length : 0),
    priced: sums.priced + Number(call.priceRatio !== undefined),
    priceRatio: sums.priceRatio + (call.priceRatio ?? 0),
  }
}
