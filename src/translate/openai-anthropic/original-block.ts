/**
 * The Anthropic form of a hub part or message that was made from it. An Anthropic caller's document, search result or
 * server tool call has no full counterpart in the hub; should the call end at an Anthropic model after all, nothing is
 * lost. A symbol key is invisible to `JSON.stringify`, so other wires neither send it nor have to strip it.
 *
 * Whoever rewrites the text in between (a guardrail that masks names) must win: `rendered` is the hub text the block
 * was turned into, and the block is used only while the part still says exactly that.
 */
import type { Block } from './types.ts'

const original = Symbol('anthropic')

interface Original {
  readonly block: Block
  readonly rendered: string
}

interface Carrier {
  [original]?: Original | Block[]
}

export function keepBlock<T extends object>(part: T, block: Block, rendered: string): T {
  ;(part as Carrier)[original] = { block, rendered }
  return part
}

/** The block behind a part whose hub text is `rendered`. */
export function keptBlock(part: object, rendered: string): Block | undefined {
  const kept = (part as Carrier)[original]
  return kept !== undefined && !Array.isArray(kept) && kept.rendered === rendered ? kept.block : undefined
}

/** All blocks of an assistant turn, in the vendor's order. */
export function keepBlocks(message: object, blocks: Block[]): void {
  ;(message as Carrier)[original] = blocks
}

export function keptBlocks(message: object): Block[] | undefined {
  const kept = (message as Carrier)[original]
  return Array.isArray(kept) ? kept : undefined
}
