import { effortOfBudget } from '../../translate/effort-budgets.ts'
import type { BodyEdit } from './body-edit.ts'
import type { Plan } from './plan.ts'

/** Turns `reasoning_effort` and Anthropic's `thinking` into what the vendor takes. */
export function prepareReasoning(edit: BodyEdit, plan: Plan): void {
  const effort = edit.get('reasoning_effort')
  const thinking = edit.get('thinking')
  if (effort === undefined && thinking === undefined) return
  const word = typeof effort === 'object' && effort !== null ? (effort as { effort?: unknown }).effort : effort
  if (word !== effort) {
    // The Responses API's shape; chat endpoints take the word.
    if (typeof word === 'string') edit.set('reasoning_effort', word)
    else edit.remove('reasoning_effort')
  }

  switch (plan.quirks.reasoningParam ?? 'effort') {
    case 'both':
      return
    case 'none':
      edit.drop('reasoning_effort')
      edit.drop('thinking')
      return
    case 'thinking':
      if (typeof word === 'string' && (thinking === undefined || thinking === null))
        edit.set('thinking', { type: word === 'none' ? 'disabled' : 'enabled' })
      edit.remove('reasoning_effort')
      return
    case 'effort':
      thinkingToEffort(edit, plan, typeof word === 'string', thinking)
  }
}

function thinkingToEffort(edit: BodyEdit, { family, target }: Plan, hasEffort: boolean, thinking: unknown): void {
  if (thinking === undefined) return
  const kind = family.kind
  const reasons = kind === 'gpt5' || kind === 'o-series' || target.capabilities.reasoning === true
  if (!reasons && thinking !== null) {
    edit.drop('thinking')
    return
  }
  edit.remove('thinking')
  if (hasEffort || typeof thinking !== 'object' || thinking === null) return
  const { type, budget_tokens: budget } = thinking as { type?: unknown; budget_tokens?: unknown }
  // `adaptive` leaves the depth to the model, which is what an absent effort does.
  if (type === 'enabled') edit.set('reasoning_effort', effortOf(budget))
  else if (type === 'disabled' && family.acceptsNone) edit.set('reasoning_effort', 'none')
}

/** `minimal` is known to few of OpenAI's models, `low` to all that reason. */
function effortOf(budget: unknown): string {
  const effort = typeof budget === 'number' ? effortOfBudget(budget) : 'medium'
  return effort === 'minimal' ? 'low' : effort
}
