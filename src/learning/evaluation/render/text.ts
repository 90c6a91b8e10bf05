import type { EvaluationReport, UnseenTask } from '../report.ts'
import { count, dollars, milliseconds, percent, quality } from './numbers.ts'
import { resultsTable } from './results-table.ts'
import { textTable } from './text-table.ts'

/** Tasks shown; the rest is in the JSON. */
const mostTasks = 20

export function reportText(report: EvaluationReport): string {
  const parts = [
    heading(report),
    textTable(resultsTable(report)),
    presets(report),
    tasks(report),
    unseen(report),
    gate(report),
  ]
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}

export function heading(report: EvaluationReport): string {
  const split = {
    'test file': 'trained on the training file, scored on the test file',
    'cross-validation': `${report.folds}-fold cross-validation`,
    artifact: 'artifact scored as it is: rows it was trained on, if any, flatter it',
  }[report.split]
  const gaps = report.leftOut === 0 ? '' : `; ${count(report.leftOut)} with gaps left out`
  const estimated = report.estimated ? ', estimated from logged calls' : ''
  return (
    `${report.name}: ${count(report.rows)} prompts (${count(report.groups)} groups${gaps}) × ${report.models.length} models, ` +
    `${split}${estimated}, seed ${report.seed}, ${report.createdAt.slice(0, 10)}`
  )
}

/** The recommended method at three settings of λ. */
function presets(report: EvaluationReport): string {
  const method = report.methods[0]
  if (method === undefined) return ''
  const columns = [method.presets.quality, method.presets.balanced, method.presets.cheap]
  const row = (name: string, value: (of: (typeof columns)[number]) => string): string[] => [name, ...columns.map(value)]
  const rows = [
    [`${method.method} at λ`, '0 (quality)', '0.1 (balanced)', '0.5 (cheap)'],
    row('quality', of => quality(of.quality)),
    row('$/1k', of => dollars(of.costPer1k)),
    row('arena score', of => of.arenaScore.toFixed(2)),
    row('cheapest of the best chosen', of => percent(of.optimalSelection)),
    row('least cost / spent', of => percent(of.optimalCost)),
    row('entropy, bits', of => of.entropy.toFixed(2)),
  ]
  if (columns.some(({ latencyP50 }) => latencyP50 !== undefined))
    rows.push(
      row('latency p50, ms', of => milliseconds(of.latencyP50)),
      row('latency p95, ms', of => milliseconds(of.latencyP95)),
    )
  for (const [at, model] of report.models.entries()) rows.push(row(`  ${model}`, of => percent(of.shares[at]?.share)))
  const { calibration, costError } = method
  const lines = [
    textTable(rows),
    `calibration error ${calibration.ece.toFixed(3)}, squared error ${calibration.brier.toFixed(3)} (of the means ${calibration.brierOfMeans.toFixed(3)})`,
  ]
  if (costError !== undefined)
    lines.push(`predicted cost off by ${percent(costError.perCall)} a call, ${percent(costError.total)} in total`)
  if (report.microseconds.p50 !== undefined)
    lines.push(`a decision takes ${report.microseconds.p50.toFixed(0)} µs (p99 ${report.microseconds.p99?.toFixed(0)})`)
  return lines.join('\n')
}

function tasks(report: EvaluationReport): string {
  const own = report.methods[0]?.tasks ?? []
  if (own.length === 0) return ''
  const rows = [['task', 'prompts', 'router', '$/1k', 'best single', 'oracle']]
  for (const task of own.slice(0, mostTasks))
    rows.push([
      task.task,
      count(task.rows),
      quality(task.quality),
      dollars(task.costPer1k),
      quality(task.bestSingleQuality),
      quality(task.oracleQuality),
    ])
  const more = own.length > mostTasks ? `\n… and ${own.length - mostTasks} more tasks (--json has all)` : ''
  return textTable(rows) + more
}

function unseen({ unseenTasks }: EvaluationReport): string {
  if (unseenTasks === undefined || unseenTasks.length === 0) return ''
  const rows = [['never seen in training', 'prompts', 'router', 'best by training']]
  for (const task of unseenTasks)
    rows.push([task.task, count(task.rows), quality(task.quality), quality(task.bestByTraining)])
  const all = unseenTasks.reduce((sum, task) => sum + task.rows, 0)
  const mean = (value: (task: UnseenTask) => number): number =>
    unseenTasks.reduce((sum, task) => sum + task.rows * value(task), 0) / all
  rows.push(['all', count(all), quality(mean(task => task.quality)), quality(mean(task => task.bestByTraining))])
  return textTable(rows)
}

export function gate({ gate: { passed, checks } }: EvaluationReport): string {
  const lines = checks.map(check => `  ${check.passed ? 'passed' : 'FAILED'}  ${check.name}: ${check.found}`)
  return [`gate: ${passed ? 'passed' : 'FAILED'}`, ...lines].join('\n')
}
