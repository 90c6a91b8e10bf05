import { hull } from '../curve.ts'
import type { EvaluationReport } from '../report.ts'
import { dollars } from './numbers.ts'

const width = 860
const height = 460
const edge = { left: 64, right: 24, top: 24, bottom: 52 }

interface Place {
  readonly x: number
  readonly y: number
}

/** Cost and quality as an SVG picture: single models, the hull they span, the router's curve, the oracle. */
export function chart(report: EvaluationReport): string {
  const method = report.methods[0]
  if (method === undefined) return ''
  const { singles, oracle } = report.baselines
  const router = hull(method.curve.map(point => ({ quality: point.quality, cost: point.costPer1k })))
  const free = hull(singles.map(({ quality, costPer1k }) => ({ quality, cost: costPer1k })))
  const ideal = oracle === undefined ? [] : [oracle]
  const costs = [...singles, ...ideal].map(({ costPer1k }) => costPer1k).concat(router.map(({ cost }) => cost))
  const qualities = [...singles, ...ideal, ...router].map(({ quality }) => quality)
  const x = costScale(costs.filter(cost => cost > 0))
  const y = qualityScale(qualities)
  const place = (cost: number, quality: number): Place => ({ x: x.at(cost), y: y.at(quality) })
  const line = (points: readonly { cost: number; quality: number }[], name: string): string => {
    const places = dense(points).map(({ cost, quality }) => place(cost, quality))
    return `<polyline class="${name}" points="${places.map(at => `${at.x.toFixed(1)},${at.y.toFixed(1)}`).join(' ')}"/>`
  }
  const dots = singles.map(({ model, quality, costPer1k }) => ({
    model,
    ...place(costPer1k, quality),
    quality,
    costPer1k,
  }))
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Quality against cost per thousand calls">`,
    ...x.ticks.map(
      tick =>
        `<line class="grid" x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${edge.top}" y2="${height - edge.bottom}"/>` +
        `<text class="tick" text-anchor="middle" x="${x.at(tick)}" y="${height - edge.bottom + 18}">$${dollars(tick).replace(/\.?0+$/, '')}</text>`,
    ),
    ...y.ticks.map(
      tick =>
        `<line class="grid" x1="${edge.left}" x2="${width - edge.right}" y1="${y.at(tick)}" y2="${y.at(tick)}"/>` +
        `<text class="tick" text-anchor="end" x="${edge.left - 8}" y="${y.at(tick) + 4}">${tick.toFixed(2)}</text>`,
    ),
    `<text class="axis" text-anchor="middle" x="${(edge.left + width - edge.right) / 2}" y="${height - 10}">US dollars per 1,000 calls${x.logarithmic ? ' (logarithmic)' : ''}</text>`,
    `<text class="axis" transform="translate(16 ${(edge.top + height - edge.bottom) / 2}) rotate(-90)" text-anchor="middle">mean quality</text>`,
    line(free, 'free'),
    line(router, 'router'),
    ...router.map(({ cost, quality }) => {
      const at = place(cost, quality)
      return `<circle class="point" cx="${at.x.toFixed(1)}" cy="${at.y.toFixed(1)}" r="3"><title>${method.method}: quality ${quality.toFixed(4)} at $${dollars(cost)} per 1,000</title></circle>`
    }),
    ...dots.map(
      dot =>
        `<circle class="model" cx="${dot.x.toFixed(1)}" cy="${dot.y.toFixed(1)}" r="5"><title>${escapeHtml(dot.model)}: quality ${dot.quality.toFixed(4)} at $${dollars(dot.costPer1k)} per 1,000</title></circle>`,
    ),
    ...labels(dots),
    ...ideal.map(({ costPer1k, quality }) => oracleMark(place(costPer1k, quality), quality, costPer1k)),
    '</svg>',
  ].join('\n')
}

function oracleMark({ x, y }: Place, quality: number, costPer1k: number): string {
  const title = `oracle: quality ${quality.toFixed(4)} at $${dollars(costPer1k)} per 1,000`
  return (
    `<path class="oracle" d="M${x.toFixed(1)} ${(y - 6).toFixed(1)}l6 6-6 6-6-6z"><title>${title}</title></path>` +
    `<text class="name" x="${(x + 11).toFixed(1)}" y="${(y + 4).toFixed(1)}">oracle</text>`
  )
}

/** A straight line between two policies is bent by a logarithmic axis: it is drawn in small steps. */
function dense(points: readonly { cost: number; quality: number }[]): { cost: number; quality: number }[] {
  const all = points.slice(0, 1).map(point => ({ ...point }))
  for (let at = 1; at < points.length; at++) {
    const [left, right] = [points[at - 1], points[at]]
    if (left === undefined || right === undefined) continue
    for (let step = 1; step <= 16; step++)
      all.push({
        cost: left.cost + ((right.cost - left.cost) * step) / 16,
        quality: left.quality + ((right.quality - left.quality) * step) / 16,
      })
  }
  return all
}

/** Names beside their dots, moved down or left out where they would cover another. */
function labels(dots: readonly (Place & { readonly model: string })[]): string[] {
  const taken: { left: number; right: number; y: number }[] = dots.map(({ x, y }) => ({ left: x - 6, right: x + 6, y }))
  return dots.flatMap(({ model, x, y }) => {
    const name = model.split('/').at(-1) ?? model
    const long = 6.3 * name.length
    for (const [dx, dy, anchor] of [
      [9, 4, 'start'],
      [-9, 4, 'end'],
      [0, -10, 'middle'],
      [0, 19, 'middle'],
    ] as const) {
      const left = anchor === 'start' ? x + dx : anchor === 'end' ? x + dx - long : x - long / 2
      const box = { left, right: left + long, y: y + dy - 4 }
      if (box.left < edge.left || box.right > width - 4) continue
      const clash = taken.some(other => {
        const own = other.left === x - 6 && other.y === y
        return !own && Math.abs(other.y - box.y) < 12 && other.left < box.right && other.right > box.left
      })
      if (clash) continue
      taken.push(box)
      return [
        `<text class="name" text-anchor="${anchor}" x="${(x + dx).toFixed(1)}" y="${(y + dy).toFixed(1)}">${escapeHtml(name)}</text>`,
      ]
    }
    return []
  })
}

interface Scale {
  readonly ticks: readonly number[]
  readonly logarithmic: boolean
  at(value: number): number
}

/** Prices that differ by more than this factor need a logarithmic axis. */
const wide = 6

function costScale(costs: readonly number[]): Scale {
  const least = Math.min(...costs)
  const most = Math.max(...costs)
  const logarithmic = most / least > wide
  const room = width - edge.left - edge.right
  if (!(most > 0)) return { ticks: [], logarithmic: false, at: () => edge.left }
  if (!logarithmic) {
    const ticks = steps(0, most * 1.05)
    return { ticks, logarithmic, at: value => edge.left + (room * value) / (most * 1.05) }
  }
  const [from, to] = [Math.log(least / 1.3), Math.log(most * 1.3)]
  const at = (value: number): number =>
    edge.left + (room * (Math.log(Math.max(value, least / 1.3)) - from)) / (to - from)
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.log10(most) + 1; power++)
    for (const digit of [1, 2, 5]) {
      const tick = Number((digit * 10 ** power).toPrecision(3))
      if (tick >= least / 1.3 && tick <= most * 1.3) ticks.push(tick)
    }
  return { ticks, logarithmic, at }
}

function qualityScale(qualities: readonly number[]): Scale {
  const least = Math.min(...qualities)
  const most = Math.max(...qualities)
  const margin = Math.max(0.02, 0.06 * (most - least))
  const [from, to] = [Math.max(0, least - margin), Math.min(1.01, most + margin)]
  const room = height - edge.top - edge.bottom
  return {
    ticks: steps(from, to),
    logarithmic: false,
    at: value => height - edge.bottom - (room * (value - from)) / (to - from),
  }
}

function steps(from: number, to: number): number[] {
  const raw = (to - from) / 6
  const unit = 10 ** Math.floor(Math.log10(raw))
  const step = unit * ([1, 2, 5, 10].find(factor => factor * unit >= raw) ?? 10)
  const ticks: number[] = []
  for (let at = Math.ceil(from / step); at * step <= to; at++) ticks.push(Number((at * step).toPrecision(6)))
  return ticks
}

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
