/** Thinking tokens per effort word; the field's defaults (LiteLLM's `DEFAULT_REASONING_EFFORT_*` table). */
export const effortBudgets = { low: 1024, medium: 2048, high: 4096 } as const

/** The way back, for models that know effort words only: the highest level whose own budget the given one reaches. */
export function effortOfBudget(tokens: number): 'minimal' | 'low' | 'medium' | 'high' {
  if (tokens >= effortBudgets.high) return 'high'
  if (tokens >= effortBudgets.medium) return 'medium'
  return tokens >= effortBudgets.low ? 'low' : 'minimal'
}
