import type { MethodReport } from '../method-report.ts'
import type { EvaluationReport } from '../report.ts'
import { dollars, percent, quality } from './numbers.ts'

/** Baselines and methods in one table: what a reader looks at first. The first row is the head. */
export function resultsTable(report: EvaluationReport): string[][] {
  const { baselines, methods } = report
  const pair = methods.some(method => method.pair !== undefined)
  const pairHead = pair ? ['APGR', 'CPT50', 'CPT80'] : []
  const pairGap = pair ? ['', '', ''] : []
  const none = ['', '', '', '', '']
  const { taskTable, oracle, hullOfSingles: free } = baselines
  const rows = [
    ['', 'quality', '$/1k', 'AIQ', '± SE', 'saving', 'at 50 % cost', 'at 25 % cost', ...pairHead],
    ['random', quality(baselines.random.quality), dollars(baselines.random.costPer1k), ...none, ...pairGap],
    [`cheapest: ${baselines.cheapest.model}`, ...single(baselines.cheapest), ...none, ...pairGap],
    [`best single: ${baselines.bestSingle.model}`, ...single(baselines.bestSingle), ...none, ...pairGap],
    ['hull of single models', '', '', quality(free.aiq), '', percent(free.saving), ...atCost(free), ...pairGap],
  ]
  if (taskTable !== undefined)
    rows.push([
      'task label known',
      ...single(taskTable),
      quality(taskTable.aiq),
      '',
      percent(taskTable.saving),
      ...atCost(taskTable),
      ...pairGap,
    ])
  for (const method of methods) rows.push(methodRow(report, method, pair))
  if (oracle !== undefined)
    rows.push([
      'oracle',
      ...single(oracle),
      quality(oracle.aiq),
      '',
      percent(oracle.saving),
      ...atCost(oracle),
      ...pairGap,
    ])
  return rows
}

/** `weaker`: not above the hull of single models by its noise. */
export function methodName(report: EvaluationReport, { method, standing }: MethodReport): string {
  const marks = [method === report.recommended ? 'recommended' : '', standing === 'above' ? '' : 'weaker'].filter(
    Boolean,
  )
  return marks.length === 0 ? method : `${method} (${marks.join(', ')})`
}

function methodRow(report: EvaluationReport, method: MethodReport, pair: boolean): string[] {
  const own = method.pair
  return [
    methodName(report, method),
    ...single(method.presets.quality),
    quality(method.aiq),
    method.noise.aiq.toFixed(4),
    method.saving === undefined ? 'none' : percent(method.saving),
    ...atCost(method),
    ...(pair ? [own?.apgr.toFixed(3) ?? '', percent(own?.cpt50), percent(own?.cpt80)] : []),
  ]
}

const single = (point: { readonly quality: number; readonly costPer1k: number }): [string, string] => [
  quality(point.quality),
  dollars(point.costPer1k),
]

const atCost = (curve: {
  readonly qualityAtHalfCost: number
  readonly qualityAtQuarterCost: number
}): [string, string] => [quality(curve.qualityAtHalfCost), quality(curve.qualityAtQuarterCost)]
