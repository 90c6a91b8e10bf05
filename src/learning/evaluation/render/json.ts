import type { EvaluationReport } from '../report.ts'

/** The report with the names of an API: snake_case, and null where a number does not exist. */
export const reportJson = (report: EvaluationReport): unknown => snake(report)

function snake(value: unknown): unknown {
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) return null
  if (Array.isArray(value)) return value.map(snake)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key.replace(/1k$/, '_1k').replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      snake(entry),
    ]),
  )
}
