import type { Plan } from '../openai/plan.ts'

/** What a dated API version can do; Microsoft's "API version lifecycle" page. */
export interface ApiFeatures {
  readonly toolChoice: Plan['toolChoice']
  readonly jsonSchema: boolean
  readonly streamOptions: boolean
}

/** `v1`, `latest` and `preview` address the undated API at `/openai/v1`. */
export function isUndated(version: string): boolean {
  return version === 'v1' || version === 'latest' || version === 'preview'
}

export function featuresOf(version: string): ApiFeatures {
  const date = /^\d{4}-\d{2}-\d{2}/.exec(version)?.[0]
  if (date === undefined) return { toolChoice: 'all', jsonSchema: true, streamOptions: true }
  return {
    toolChoice: date < '2023-12-01' ? 'none' : date < '2024-06-01' ? 'no-required' : 'all',
    jsonSchema: date >= '2024-08-01',
    streamOptions: date >= '2024-09-01',
  }
}
