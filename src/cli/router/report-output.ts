import { writeFileSync } from 'node:fs'
import { reportHtml } from '../../learning/evaluation/render/html.ts'
import { reportJson } from '../../learning/evaluation/render/json.ts'
import { reportText } from '../../learning/evaluation/render/text.ts'
import type { EvaluationReport } from '../../learning/evaluation/report.ts'
import type { Output } from './output.ts'

export const reportOptions = {
  json: { type: 'boolean' },
  html: { type: 'string' },
  force: { type: 'boolean' },
} as const

export const reportUsage = `Report:
  --json                   as JSON instead of tables
  --html <file>            also as one self-contained page with the cost-quality curve
  --force                  exit with 0 even if the router is not better than none
`

export interface ReportSettings {
  readonly json?: boolean | undefined
  readonly html?: string | undefined
  readonly force?: boolean | undefined
}

/** @returns the exit code */
export function giveReport(report: EvaluationReport, settings: ReportSettings, output: Output): number {
  output.out(settings.json === true ? `${JSON.stringify(reportJson(report))}\n` : reportText(report))
  if (settings.html !== undefined) {
    writeFileSync(settings.html, reportHtml(report))
    output.err(`curve and tables: ${settings.html}\n`)
  }
  if (report.gate.passed) return 0
  output.err(
    settings.force === true
      ? 'the router is not better than none, and --force says to go on\n'
      : 'the router is not better than none: more prompts or better labels may change that; --force goes on anyway\n',
  )
  return settings.force === true ? 0 : 1
}
