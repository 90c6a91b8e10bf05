import type { ToolCallDelta } from '../../translate/openai/types.ts'
import { badResponse } from './failure.ts'
import { argumentsText, isObject, type Json } from './read-message.ts'

interface OpenCall {
  readonly index: number
  id: string | undefined
  name: string
  /** Arguments that arrived before the name. */
  held: string
  announced: boolean
}

/** More calls in one answer than any model makes; guards memory against a broken stream. */
const maxCalls = 1024

/**
 * Puts one choice's tool-call deltas in order: first id and name, then arguments only, by a dense index. Vendors leave
 * out the index, repeat the id or the name in each piece, name the tool late, or send whole calls at once, all with
 * index 0.
 */
export class ToolCallAssembler {
  readonly #calls: OpenCall[] = []
  readonly #byIndex = new Map<number, OpenCall>()
  readonly #seed: string

  constructor(seed: string) {
    this.#seed = seed
  }

  get any(): boolean {
    return this.#calls.length > 0
  }

  push(deltas: readonly unknown[], out: ToolCallDelta[]): void {
    for (const delta of deltas) if (isObject(delta)) this.#one(delta, out)
  }

  /** The choice is finished. @throws UpstreamFailure when a call never got a name. */
  end(): void {
    if (this.#calls.some(call => !call.announced)) throw badResponse('a tool call came without a name')
  }

  #one(delta: Json, out: ToolCallDelta[]): void {
    const definition = isObject(delta['function']) ? delta['function'] : {}
    const id = typeof delta['id'] === 'string' && delta['id'] !== '' ? delta['id'] : undefined
    const name = typeof definition['name'] === 'string' ? definition['name'] : ''
    const call = this.#find(delta['index'], id, name)
    call.id ??= id
    const text = argumentsText(definition['arguments'])
    if (!call.announced) {
      call.name = name
      if (name === '') {
        call.held += text
        return
      }
      call.announced = true
      call.id ??= `call_${this.#seed}${call.index}`
      const first: ToolCallDelta = {
        index: call.index,
        id: call.id,
        type: typeof delta['type'] === 'string' && delta['type'] !== '' ? delta['type'] : 'function',
        function: { name, arguments: call.held + text },
      }
      call.held = ''
      if (isObject(delta['provider_specific_fields']))
        first.provider_specific_fields = delta['provider_specific_fields']
      out.push(first)
    } else if (text !== '') {
      out.push({ index: call.index, function: { arguments: text } })
    }
  }

  #find(index: unknown, id: string | undefined, name: string): OpenCall {
    if (typeof index === 'number') {
      const call = this.#byIndex.get(index)
      // The same index under a new id, with a name: another call from a vendor that does not count.
      const another = call !== undefined && id !== undefined && call.id !== undefined && call.id !== id && name !== ''
      if (call !== undefined && !another) return call
      const known = another ? this.#calls.find(other => other.id === id) : undefined
      return known ?? this.#open(index, id)
    }
    if (id !== undefined) return this.#calls.find(call => call.id === id) ?? this.#open(undefined, id)
    const last = this.#calls.at(-1)
    return last === undefined || (name !== '' && last.announced && name !== last.name)
      ? this.#open(undefined, id)
      : last
  }

  #open(wireIndex: number | undefined, id: string | undefined): OpenCall {
    if (this.#calls.length >= maxCalls) throw badResponse('more tool calls than can be')
    const call: OpenCall = { index: this.#calls.length, id, name: '', held: '', announced: false }
    this.#calls.push(call)
    this.#byIndex.set(wireIndex ?? call.index, call)
    return call
  }
}
