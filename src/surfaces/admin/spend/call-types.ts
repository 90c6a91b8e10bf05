import { callTypeOf } from '../../../governance/ledger/reports/log-row.ts'

/** LiteLLM's `call_type` of a canonical route: `/v1/chat/completions` → `acompletion`. */
export function callTypeOfRoute(route: string): string {
  const operation = route.replace(/^(\/openai|\/anthropic)?(\/v\d+(?:beta)?)?\//, '')
  return callTypeOf(operation === 'chat/completions' ? 'chat' : operation)
}
