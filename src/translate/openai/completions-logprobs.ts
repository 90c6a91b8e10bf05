/** Chat's `logprobs: true, top_logprobs: n` for the legacy `logprobs: n`. */
export function chatLogprobsOf(logprobs: unknown): { logprobs?: true; top_logprobs?: number } {
  if (typeof logprobs !== 'number') return {}
  return logprobs > 0 ? { logprobs: true, top_logprobs: logprobs } : { logprobs: true }
}

interface TokenLogprob {
  readonly token?: unknown
  readonly logprob?: unknown
  readonly top_logprobs?: unknown
}

export interface CompletionLogprobs {
  tokens: string[]
  token_logprobs: (number | null)[]
  top_logprobs: Record<string, number>[] | null
  /** Position of each token in the choice's text. */
  text_offset: number[]
}

/** Chat logprobs in the legacy layout: parallel lists instead of a list of tokens. Null when there are none. */
export function completionLogprobs(logprobs: unknown, offset: number): CompletionLogprobs | null {
  const content = (logprobs as { content?: unknown } | null | undefined)?.content
  if (!Array.isArray(content)) return null
  const out: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: null, text_offset: [] }
  let at = offset
  for (const item of content as (TokenLogprob | null)[]) {
    const token = typeof item?.token === 'string' ? item.token : ''
    out.tokens.push(token)
    out.token_logprobs.push(typeof item?.logprob === 'number' ? item.logprob : null)
    out.text_offset.push(at)
    at += token.length
    if (!Array.isArray(item?.top_logprobs) || item.top_logprobs.length === 0) continue
    const top: Record<string, number> = {}
    for (const other of item.top_logprobs as (TokenLogprob | null)[]) {
      if (typeof other?.token === 'string' && typeof other.logprob === 'number') top[other.token] = other.logprob
    }
    out.top_logprobs ??= []
    out.top_logprobs.push(top)
  }
  return out
}
