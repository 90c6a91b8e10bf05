import { isRecord } from './gemini-types.ts'

interface TokenLogprob {
  token: string
  logprob: number
  bytes: null
}

function tokenOf(value: unknown): TokenLogprob {
  const entry: Record<string, unknown> = isRecord(value) ? value : {}
  return {
    token: typeof entry['token'] === 'string' ? entry['token'] : '',
    logprob: typeof entry['logProbability'] === 'number' ? entry['logProbability'] : 0,
    bytes: null,
  }
}

/** `logprobsResult` → OpenAI's `logprobs`; undefined when there is none. */
export function decodeLogprobs(result: unknown): unknown {
  if (!isRecord(result) || !Array.isArray(result['chosenCandidates'])) return undefined
  const alternatives = Array.isArray(result['topCandidates']) ? result['topCandidates'] : []
  const content = result['chosenCandidates'].map((chosen, step) => {
    const top: unknown = alternatives[step]
    const listed = isRecord(top) && Array.isArray(top['candidates']) ? top['candidates'] : []
    return { ...tokenOf(chosen), top_logprobs: listed.map(tokenOf) }
  })
  return { content, refusal: null }
}
