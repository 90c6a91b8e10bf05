import type { CurveReport, MethodReport } from '../method-report.ts'
import type { EvaluationReport } from '../report.ts'
import { dollars, percent, quality, signed } from './numbers.ts'

/** Baselines and methods in one table: what a reader looks at first. The first row is the head. */
export function resultsTable(report: EvaluationReport): string[][] {
  const { baselines, methods } = report
  const { random, cheapest, bestSingle, hullOfSingles, taskTable, oracle } = baselines
  const extra = [
    ...(methods.length > 1 ? [toRecommended] : []),
    ...(methods.some(({ pair }) => pair) ? pairColumns : []),
  ]
  const rows = [
    ['', 'quality', '$/1k', 'AIQ', '± SE', 'saving', 'at 50 % cost', 'at 25 % cost', ...extra.map(({ head }) => head)],
    ['random', ...point(random)],
    [`cheapest: ${cheapest.model}`, ...point(cheapest)],
    [`best single: ${bestSingle.model}`, ...point(bestSingle)],
    ['hull of single models', '', '', ...curve(hullOfSingles, '')],
  ]
  if (taskTable !== undefined) rows.push(['task label known', ...point(taskTable), ...curve(taskTable, '')])
  for (const method of methods)
    rows.push([
      methodName(report, method),
      ...point(method.presets.quality),
      ...curve(method, method.noise.aiq.toFixed(4)),
      ...extra.map(({ cell }) => cell(method, report)),
    ])
  if (oracle !== undefined) rows.push(['oracle', ...point(oracle), ...curve(oracle, '')])
  const width = rows[0]?.length ?? 0
  return rows.map(row => [...row, ...Array.from({ length: width - row.length }, () => '')])
}

/** `weaker`: not above the hull of single models by its noise. */
export function methodName(report: EvaluationReport, { method, standing }: MethodReport): string {
  const marks = [...(method === report.recommended ? ['recommended'] : []), ...(standing === 'above' ? [] : ['weaker'])]
  return marks.length === 0 ? method : `${method} (${marks.join(', ')})`
}

/** A column that only some reports need. */
interface Column {
  readonly head: string
  cell(method: MethodReport, report: EvaluationReport): string
}

const toRecommended: Column = {
  head: 'AIQ to recommended',
  cell: (method, { recommended }) =>
    method.method === recommended
      ? ''
      : `${signed(method.aiqOverRecommended)} ± ${method.aiqOverRecommendedError.toFixed(4)}`,
}

const pairColumns: readonly Column[] = [
  { head: 'APGR', cell: ({ pair }) => pair?.apgr.toFixed(3) ?? '' },
  { head: 'CPT50', cell: ({ pair }) => percent(pair?.cpt50) },
  { head: 'CPT80', cell: ({ pair }) => percent(pair?.cpt80) },
]

const point = (of: { readonly quality: number; readonly costPer1k: number }): string[] => [
  quality(of.quality),
  dollars(of.costPer1k),
]

const curve = (of: CurveReport, error: string): string[] => [
  quality(of.aiq),
  error,
  of.saving === undefined ? 'none' : percent(of.saving),
  quality(of.qualityAtHalfCost),
  quality(of.qualityAtQuarterCost),
]
