import type { ToolCallDelta } from '../openai/types.ts'
import { blockStart, blockStop, inputDelta } from './stream-frames.ts'
import { ToolIds } from './tool-ids.ts'

interface Call {
  id: string
  name: string
  args: string
  state: 'waiting' | 'open' | 'closed'
}

/**
 * Tool calls of a stream as Anthropic wants them: one block after the other. The hub may start a call before the one
 * before it is complete (some vendors interleave), and some vendors send the name late: what cannot go out yet waits.
 */
export class StreamTools {
  readonly #calls = new Map<number, Call>()
  readonly #ids = new ToolIds()
  #open: Call | undefined
  #openIndex = 0

  get any(): boolean {
    return this.#calls.size > 0
  }

  /** True while a call's block is open and its arguments are unfinished, or calls wait for it. */
  get busy(): boolean {
    return this.#open !== undefined && (!complete(this.#open.args) || this.#next() !== undefined)
  }

  /** @param nextIndex gives the next content block index. */
  push(delta: ToolCallDelta, nextIndex: () => number): string {
    const call = this.#callOf(delta)
    if (call.state === 'closed') return ''
    const piece = delta.function?.arguments ?? ''
    call.args += piece
    if (call.state === 'open') return piece === '' ? '' : inputDelta(this.#openIndex, piece)
    let out = ''
    for (;;) {
      if (this.#open !== undefined && !complete(this.#open.args)) return out
      const next = this.#next()
      if (next === undefined) return out
      out += this.close() + this.#start(next, nextIndex())
    }
  }

  /** Ends the block that is open, if any. */
  close(): string {
    if (this.#open === undefined) return ''
    this.#open.state = 'closed'
    this.#open = undefined
    return blockStop(this.#openIndex)
  }

  /** Everything that still waits, one block after the other. */
  finish(nextIndex: () => number): string {
    let out = this.close()
    for (const call of this.#calls.values()) {
      if (call.state !== 'waiting' || (call.name === '' && call.args === '')) continue
      out += this.#start(call, nextIndex()) + this.close()
    }
    return out
  }

  #callOf(delta: ToolCallDelta): Call {
    const index = delta.index ?? 0
    let call = this.#calls.get(index)
    if (call === undefined) {
      call = { id: '', name: '', args: '', state: 'waiting' }
      this.#calls.set(index, call)
    }
    if (call.id === '' && typeof delta.id === 'string') call.id = delta.id
    if (call.name === '' && typeof delta.function?.name === 'string') call.name = delta.function.name
    return call
  }

  /** The first waiting call whose name is known; later ones may not overtake it. */
  #next(): Call | undefined {
    for (const call of this.#calls.values()) if (call.state === 'waiting') return call.name === '' ? undefined : call
    return undefined
  }

  #start(call: Call, index: number): string {
    call.state = 'open'
    this.#open = call
    this.#openIndex = index
    const id = this.#ids.wire(call.id === '' ? `toolu_${index}` : call.id)
    const start = blockStart(index, { type: 'tool_use', id, name: call.name, input: {} })
    return call.args === '' ? start : start + inputDelta(index, call.args)
  }
}

/** Nothing can follow a complete object; empty arguments may still be on their way. */
function complete(args: string): boolean {
  if (!args.trimEnd().endsWith('}')) return false
  try {
    JSON.parse(args)
    return true
  } catch {
    return false
  }
}
