import { isObject, type JsonObject } from '../../../learning/dataset/fields.ts'

const short = (id: unknown): string => (typeof id === 'string' ? id.slice(0, 12) : 'none')
const objectIn = (owner: JsonObject, name: string): JsonObject => {
  const value = owner[name]
  return isObject(value) ? value : {}
}

/** A router's state in a few lines: what decides, how far a rollout is, and what its guards say. */
export function toldState(state: JsonObject): string {
  const lines = [`${String(state['router'])}: ${String(state['stage'])}, in force ${short(state['active'])}`]
  const { rollout, frozen } = state
  if (isObject(rollout)) {
    const share = 100 * Number(rollout['share'])
    const decides = share === 0 ? 'watches' : `decides for ${share} % of sessions`
    lines.push(`  candidate ${short(rollout['artifact'])} ${decides}${next(state, rollout)}`)
    const { readings } = objectIn(state, 'verdict')
    if (Array.isArray(readings)) lines.push(...readings.filter(isObject).map(toldReading))
  }
  if (isObject(frozen)) lines.push(`  promotions are frozen: ${String(frozen['reason'])}`)
  for (const [id, problem] of Object.entries(objectIn(state, 'problems'))) {
    lines.push(`  ${short(id)} cannot be used: ${String(problem)}`)
  }
  return `${lines.join('\n')}\n`
}

function next(state: JsonObject, rollout: JsonObject): string {
  const verdict = objectIn(state, 'verdict')
  if (rollout['automatic'] === false) return '; waits for routeiq router advance'
  return verdict['kind'] === 'wait' ? `; waits for ${String(verdict['for'])}` : ''
}

function toldReading({ guard, control, candidate, evidence, limit }: JsonObject): string {
  const number = (value: unknown): string =>
    typeof value === 'number' ? value.toPrecision(3).padStart(9) : 'unknown'.padStart(9)
  return `  ${String(guard).padEnd(9)} candidate ${number(candidate)}  control ${number(control)}  evidence against it ${number(evidence)} of ${String(limit)}`
}
