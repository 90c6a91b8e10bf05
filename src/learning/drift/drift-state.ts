import { logEvidenceOfMore } from '../experiments/evidence.ts'
import { alarms, type PageHinkley, rewardSettings, start, withValue } from './change-point.ts'
import { type ModelSignal, type ModelWatch, newWatch, signalsOf, type WatchedCall, watched } from './model-watch.ts'
import { stabilityIndex } from './psi.ts'

export type DriftSignal = ModelSignal | 'inputs' | 'novelty' | 'reward'

export interface DriftAlarm {
  readonly signal: DriftSignal
  /** Model, `model/cluster`, or empty for signals of the whole router. */
  readonly what: string
  readonly since: number
  readonly value: number
}

/** All monitors of one router under one artifact. Plain data; begins anew with every other artifact. */
export interface DriftState {
  /** Short id. */
  readonly artifact: string
  readonly since: number
  /** The last decision, and the last feedback, that was looked at. */
  readonly decisionCursor: readonly [recordedAt: number, id: string]
  readonly feedbackCursor: readonly [updatedAt: number, id: string]
  readonly decisions: number
  /** Calls per cluster in this window and the one before. */
  readonly clusters: readonly number[]
  readonly novel: { readonly n: number; readonly sum: number }
  readonly models: Readonly<Record<string, ModelWatch>>
  /** Rewards less predictions, by `model/cluster`. */
  readonly cells: Readonly<Record<string, PageHinkley>>
  readonly inputIndex: number
  readonly alarms: readonly DriftAlarm[]
}

export interface WatchedDecision extends WatchedCall {
  readonly model: string
  readonly cluster: number
  readonly familiarity: number
}

export interface DriftSettings {
  readonly window: number
  readonly inputPsi: number
}

const maxModels = 64
const maxCells = 2000
/** Below this a prompt is like nothing in training. */
const novelBelow = 0.5
/** In training one of twenty is; three times that is no chance any more. */
const novelAllowed = { n: 1_000_000, sum: 150_000 }
const novelLimit = Math.log(1000)

export const newDrift = (artifact: string, now: number): DriftState => ({
  artifact,
  since: now,
  decisionCursor: [now, ''],
  feedbackCursor: [now, ''],
  decisions: 0,
  clusters: [],
  novel: { n: 0, sum: 0 },
  models: {},
  cells: {},
  inputIndex: 0,
  alarms: [],
})

/** @param trained prompts per cluster in training */
export function withDecisions(
  state: DriftState,
  decisions: readonly WatchedDecision[],
  trained: readonly number[],
  settings: DriftSettings,
): DriftState {
  let clusters = [...state.clusters]
  const models: Record<string, ModelWatch> = { ...state.models }
  let novel = state.novel
  let { inputIndex } = state
  for (const call of decisions) {
    const known = models[call.model]
    if (known !== undefined || Object.keys(models).length < maxModels) {
      models[call.model] = watched(known ?? newWatch, call)
    }
    if (call.cluster < 0 || call.cluster > 100_000) continue
    while (clusters.length <= call.cluster) clusters.push(0)
    clusters[call.cluster] = (clusters[call.cluster] ?? 0) + 1
    novel = { n: novel.n + 1, sum: novel.sum + Number(call.familiarity < novelBelow) }
    const inWindow = clusters.reduce((sum, count) => sum + count, 0)
    if (inWindow >= settings.window) {
      inputIndex = stabilityIndex(trained, clusters)
      // Half of the past is kept: the next look is at a window that overlaps this one.
      clusters = clusters.map(count => Math.floor(count / 2))
      novel = { n: Math.floor(novel.n / 2), sum: Math.floor(novel.sum / 2) }
    }
  }
  return { ...state, decisions: state.decisions + decisions.length, clusters, models, novel, inputIndex }
}

export interface WatchedReward {
  readonly model: string
  readonly cluster: number
  /** Reward less prediction. */
  readonly residual: number
}

export function withRewards(state: DriftState, rewards: readonly WatchedReward[]): DriftState {
  if (rewards.length === 0) return state
  const cells: Record<string, PageHinkley> = { ...state.cells }
  let count = Object.keys(cells).length
  for (const { model, cluster, residual } of rewards) {
    const key = `${model}/${cluster}`
    const known = cells[key]
    if (known === undefined && count >= maxCells) continue
    if (known === undefined) count++
    cells[key] = withValue(known ?? start, residual, rewardSettings)
  }
  return { ...state, cells }
}

/** Alarms in force: those from before, and what is new. They stay until somebody acknowledges them. */
export function judged(state: DriftState, settings: DriftSettings, now: number): DriftState {
  const found: DriftAlarm[] = []
  const raise = (signal: DriftSignal, what: string, value: number): void => {
    found.push({ signal, what, since: now, value })
  }
  if (state.inputIndex > settings.inputPsi) raise('inputs', '', state.inputIndex)
  if (logEvidenceOfMore(novelAllowed, state.novel) > novelLimit) {
    raise('novelty', '', state.novel.sum / Math.max(1, state.novel.n))
  }
  for (const [model, watch] of Object.entries(state.models)) {
    for (const signal of signalsOf(watch)) raise(signal, model, 1)
  }
  for (const [key, cell] of Object.entries(state.cells)) {
    // Better than predicted is no reason to hold anything up.
    if (alarms(cell, rewardSettings).fallen) raise('reward', key, cell.mean)
  }
  const fresh = found.filter(
    alarm => !state.alarms.some(({ signal, what }) => signal === alarm.signal && what === alarm.what),
  )
  return fresh.length === 0 ? state : { ...state, alarms: [...state.alarms, ...fresh].slice(0, 200) }
}
