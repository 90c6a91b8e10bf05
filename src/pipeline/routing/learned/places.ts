import type { Scores } from '../../../learning/objective/scores.ts'
import type { ArmSet } from './arm-set.ts'
import type { Preference } from './preferences.ts'

export function cheapest(scores: Scores): number {
  let found = -1
  for (let i = 0; i < scores.count; i++) {
    if (scores.kept(i) && (found < 0 || dearness(scores, i) < dearness(scores, found))) found = i
  }
  return found
}

const dearness = ({ cost }: Scores, i: number): number => {
  const own = cost[i] as number
  return Number.isNaN(own) ? Number.POSITIVE_INFINITY : own
}

export function cheapestFirst(places: number[], scores: Scores): void {
  places.splice(0, places.length, ...places.filter(place => scores.kept(place)))
  places.sort((a, b) => dearness(scores, a) - dearness(scores, b))
}

export function firstOf({ groups }: Preference, set: ArmSet, scores: Scores): number {
  for (const group of groups) {
    for (let i = 0; i < scores.count; i++) {
      const available = scores.kept(i) || scores.removedBy(i) === 'dominated'
      if (available && set.arms[i]?.deployments.some(deployment => deployment.group === group) === true) return i
    }
  }
  return -1
}

export function preferFirst(places: number[], chosen: number, { groups, only }: Preference, set: ArmSet): void {
  const rankOf = (place: number): number => {
    if (place === chosen) return -1
    const at = groups.findIndex(group => set.arms[place]?.deployments.some(own => own.group === group) === true)
    return at < 0 ? groups.length : at
  }
  places.sort((a, b) => rankOf(a) - rankOf(b))
  if (only) places.splice(0, places.length, ...places.filter(place => rankOf(place) < groups.length))
}
