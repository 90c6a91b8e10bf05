import type { CellPosterior } from '../rollout/port.ts'

/**
 * The artifact's prediction is the prior, feedback moves it: mean = (n0·Q̂ + Σr) / (n0 + n). Feedback is what strangers
 * send, so a cell needs a number of events before it is heard at all, and may move the prediction only so far.
 */
export interface PosteriorSettings {
  /** n0: events that a prediction is worth. 20–50; default 30. */
  readonly priorStrength: number
  /** Default 20. */
  readonly minEvents: number
  /** Furthest that feedback moves a predicted quality, either way. Default 0.2. */
  readonly maxShift: number
}

export const posteriorDefaults: PosteriorSettings = { priorStrength: 30, minEvents: 20, maxShift: 0.2 }

/** Expected quality of a model where its cell has this feedback. Undefined: none that counts. */
export function posteriorMean(
  predicted: number,
  cell: CellPosterior | undefined,
  { priorStrength, minEvents, maxShift }: PosteriorSettings = posteriorDefaults,
): number {
  if (cell === undefined || cell.events < minEvents) return predicted
  const mean = (priorStrength * predicted + cell.reward) / (priorStrength + cell.weight)
  return Math.min(predicted + maxShift, Math.max(predicted - maxShift, mean))
}

/** Variance of the Beta of that mean and strength. */
export function posteriorVariance(
  mean: number,
  cell: CellPosterior | undefined,
  { priorStrength, minEvents }: PosteriorSettings = posteriorDefaults,
): number {
  const weight = cell === undefined || cell.events < minEvents ? 0 : cell.weight
  return (mean * (1 - mean)) / (priorStrength + weight + 1)
}

/** What is kept of a cell's past at each new event of it: 0.999 forgets half in 700 events. */
export const discountPerEvent = 0.999

/** A cell after one more event. @param reward 0..1 @param weight 0..1 */
export function withEvent(
  cell: CellPosterior,
  reward: number,
  weight: number,
  discount = discountPerEvent,
): CellPosterior {
  return {
    weight: cell.weight * discount + weight,
    reward: cell.reward * discount + weight * reward,
    events: cell.events + 1,
  }
}

/** A cell after an event was corrected: a thumb that turned. */
export function withCorrection(cell: CellPosterior, change: number): CellPosterior {
  return { ...cell, reward: Math.min(cell.weight, Math.max(0, cell.reward + change)) }
}

export const emptyCell: CellPosterior = { weight: 0, reward: 0, events: 0 }
