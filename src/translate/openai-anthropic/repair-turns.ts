/** Repairs that change what the caller said; made only under `modify_params`. */
import type { Turn } from './convert-messages.ts'
import type { Block, ToolResultBlock } from './types.ts'

/** Stands in for content that Anthropic requires and the conversation lacks. */
const placeholder = 'Please continue.'
const missingResult = 'No result was recorded for this tool call.'

/** Anthropic's limit of cache breakpoints per request. */
const maxBreakpoints = 4

/** @param prefill whether the model continues a final assistant turn; one that does not refuses it. */
export function repairTurns(turns: Turn[], prefill: boolean): Turn[] {
  const repaired: Turn[] = []
  let open = new Set<string>()
  for (const turn of turns) {
    if (turn.role === 'assistant') {
      closeCalls(open, repaired)
      open = new Set(callIds(turn))
      if (repaired.length === 0) repaired.push(userTurn(placeholder))
      repaired.push(turn)
      continue
    }
    const results = answered(turn.results, open)
    for (const id of open) results.push({ type: 'tool_result', tool_use_id: id, content: missingResult })
    open = new Set()
    const blocks = results.length + turn.blocks.length === 0 ? userTurn(placeholder).blocks : turn.blocks
    repaired.push({ role: 'user', results, blocks })
  }
  closeCalls(open, repaired)
  if (repaired.length === 0 || (!prefill && repaired.at(-1)?.role === 'assistant')) repaired.push(userTurn(placeholder))
  return repaired
}

const userTurn = (text: string): Turn => ({ role: 'user', results: [], blocks: [{ type: 'text', text }] })

function* callIds(turn: Turn): Iterable<string> {
  for (const block of turn.blocks) if (block.type === 'tool_use') yield (block as { id: string }).id
}

/** Calls that the conversation left unanswered get a result, so the next turn is accepted. */
function closeCalls(open: Set<string>, turns: Turn[]): void {
  if (open.size === 0) return
  const results: Block[] = []
  for (const id of open) results.push({ type: 'tool_result', tool_use_id: id, content: missingResult })
  turns.push({ role: 'user', results, blocks: [] })
  open.clear()
}

/** Results of calls that are open, the first of each; answered calls are taken out of `open`. */
function answered(results: readonly Block[], open: Set<string>): Block[] {
  return results.filter(result => open.delete((result as ToolResultBlock).tool_use_id))
}

/** With thinking on, the turn that called the tools being answered now must begin with its thinking. */
export function lacksThinking(turns: readonly Turn[]): boolean {
  const last = turns.at(-1)
  if (last?.role !== 'user' || last.results.length === 0) return false
  const first = turns.at(-2)?.blocks[0]
  return first !== undefined && first.type !== 'thinking' && first.type !== 'redacted_thinking'
}

export const hasToolBlocks = (turns: readonly Turn[]): boolean =>
  turns.some(turn => turn.results.length > 0 || turn.blocks.some(block => block.type === 'tool_use'))

interface Marked {
  cache_control?: unknown
}

/** Takes the oldest markers of the conversation out until the limit holds; those on tools and system stay longest. */
export function limitBreakpoints(fixed: readonly object[], turns: readonly Turn[]): void {
  const marked = (block: object): boolean => (block as Marked).cache_control != null
  let surplus = fixed.filter(marked).length - maxBreakpoints
  for (const turn of turns) surplus += turn.results.filter(marked).length + turn.blocks.filter(marked).length
  for (const turn of turns) {
    for (const list of [turn.results, turn.blocks]) {
      for (let i = 0; i < list.length && surplus > 0; i++) {
        const block = list[i]
        if (block === undefined || !marked(block)) continue
        const { cache_control: _, ...bare } = block as Block & Marked
        list[i] = bare as Block
        surplus--
      }
    }
  }
}
