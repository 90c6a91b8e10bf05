import type { Part } from '../predictors/part.ts'
import type { Partition } from './k-means.ts'
import { cholesky, choleskySolve } from './numerics/cholesky.ts'
import type { Problem } from './training-rows.ts'

/** How firmly a cell's ratings are held to the ratings of all rows: in battles per model. */
const priorBattles = 30
/** Of the overall ratings to equal ones; keeps a model that always won from infinity. */
const overallPrior = 1
const rounds = 8

/**
 * Bradley–Terry ratings. Two models tried on one row fight: the better quality wins by as much as it is better, and
 * equal ones share the win, so that rows on which all are equal draw ratings together and favour nobody.
 */
export function fitElo(problem: Problem, tables: readonly Partition[]): Part {
  const { rows, models } = problem
  const everything = rate(
    scores(problem, new Uint16Array(rows), 1)[0] as Scores,
    new Float64Array(models),
    overallPrior,
  )
  const facts = { tables: tables.length }
  const arrays: Record<string, Float32Array> = {}
  for (const [table, { cells, cellOf }] of tables.entries()) {
    const ratings = new Float32Array(cells * models)
    const battles = new Float32Array(cells * models)
    for (const [cell, score] of scores(problem, cellOf, cells).entries()) {
      ratings.set(rate(score, everything, priorBattles / 4), cell * models)
      for (let model = 0; model < models; model++) {
        let fought = 0
        for (let other = 0; other < models; other++) fought += score.fights[model * models + other] as number
        battles[cell * models + model] = fought / Math.max(1, models - 1)
      }
    }
    arrays[`ratings${table}`] = ratings
    arrays[`battles${table}`] = battles
  }
  return { facts, arrays }
}

interface Scores {
  /** models × models: rows on which both were tried, and the share of them that the first won. */
  readonly fights: Float64Array
  readonly wins: Float64Array
}

function scores({ rows, models, quality, weight }: Problem, cellOf: Uint16Array, cells: number): Scores[] {
  const all = Array.from({ length: cells }, () => ({
    fights: new Float64Array(models * models),
    wins: new Float64Array(models * models),
  }))
  for (let row = 0; row < rows; row++) {
    const { fights, wins } = all[cellOf[row] as number] as Scores
    const base = row * models
    for (let one = 0; one < models; one++) {
      const trustOne = weight[base + one] as number
      if (trustOne === 0) continue
      for (let other = 0; other < models; other++) {
        const trust = Math.min(trustOne, weight[base + other] as number)
        if (other === one || trust === 0) continue
        const at = one * models + other
        fights[at] = (fights[at] as number) + trust
        wins[at] =
          (wins[at] as number) + (trust * (1 + (quality[base + one] as number) - (quality[base + other] as number))) / 2
      }
    }
  }
  return all
}

/** The most likely ratings, with a Gaussian prior of this precision around `centre`; Newton's method. */
function rate({ fights, wins }: Scores, centre: Float64Array, precision: number): Float64Array {
  const models = centre.length
  const ratings = Float64Array.from(centre)
  for (let round = 0; round < rounds; round++) {
    const gradient = ratings.map((rating, model) => precision * ((centre[model] as number) - rating))
    const curvature = new Float64Array(models * models)
    for (let one = 0; one < models; one++) {
      curvature[one * models + one] = (curvature[one * models + one] as number) + precision
      for (let other = 0; other < models; other++) {
        const count = fights[one * models + other] as number
        if (count === 0) continue
        const expected = 1 / (1 + Math.exp((ratings[other] as number) - (ratings[one] as number)))
        gradient[one] = (gradient[one] as number) + (wins[one * models + other] as number) - count * expected
        const slope = count * expected * (1 - expected)
        curvature[one * models + one] = (curvature[one * models + one] as number) + slope
        curvature[one * models + other] = (curvature[one * models + other] as number) - slope
      }
    }
    choleskySolve(cholesky(curvature, models), models, gradient)
    let largest = 0
    for (let model = 0; model < models; model++) {
      // A first step from far away is kept short.
      const step = Math.max(-2, Math.min(2, gradient[model] as number))
      ratings[model] = (ratings[model] as number) + step
      largest = Math.max(largest, Math.abs(step))
    }
    if (largest < 1e-6) break
  }
  return ratings
}
