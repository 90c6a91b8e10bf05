import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatMessage } from '../openai/types.ts'
import { convertContent, type PartWishes } from './convert-content.ts'
import { type GeminiFunctionResponse, type GeminiPart, textOf } from './gemini-types.ts'
import type { RequestOptions } from './request-options.ts'
import { unpackToolCallId } from './tool-call-id.ts'
import type { ToolNames } from './tool-names.ts'

/** A tool call whose result is still to come. */
export interface PendingCall {
  readonly id: string
  readonly vendorId: string | undefined
  /** As it is on the wire. */
  readonly name: string
}

interface Result {
  /** Place of the call in its batch. */
  readonly order: number
  readonly part: GeminiPart
  /** Media that this model cannot take inside a function response. */
  readonly beside: GeminiPart[]
}

/** Collects tool messages into the one user turn Gemini wants: all results of a batch, in the order of its calls. */
export class ToolResults {
  readonly #options: RequestOptions
  readonly #names: ToolNames
  readonly #wishes: PartWishes
  /** Every call so far by id: a result may follow later than its batch. A reused id means the newest call. */
  readonly #calls = new Map<string, PendingCall>()
  #batch: readonly PendingCall[] = []
  #results: Result[] = []

  constructor(options: RequestOptions, names: ToolNames, wishes: PartWishes) {
    this.#options = options
    this.#names = names
    this.#wishes = wishes
  }

  expect(batch: readonly PendingCall[]): void {
    if (batch.length === 0) return
    this.#batch = batch
    for (const call of batch) if (call.id !== '') this.#calls.set(call.id, call)
  }

  /** @throws GatewayError when the message answers no call and names no function. */
  add(message: ChatMessage, path: string): void {
    const id = typeof message.tool_call_id === 'string' ? unpackToolCallId(message.tool_call_id).id : undefined
    const call = this.#callFor(id, message)
    const named = typeof message.name === 'string' && message.name !== '' ? message.name : undefined
    const name = call?.name ?? (named === undefined ? undefined : this.#names.toWire(named))
    if (name === undefined) {
      throw new GatewayError(
        'invalid_request',
        'This tool message answers no tool call of the conversation: no assistant message has a call with its tool_call_id.',
        { param: `${path}.tool_call_id` },
      )
    }
    const parts = convertContent(message.content, this.#options.family, this.#wishes, `${path}.content`)
    const text = parts.flatMap(part => (part.text === undefined ? [] : [part.text])).join('\n')
    const media = parts.filter(part => part.text === undefined)
    // The text stays text: parsing it would lose digits of large numbers and the caller's own spelling.
    const functionResponse: GeminiFunctionResponse = { name, response: { output: text } }
    if (call?.vendorId !== undefined) functionResponse.id = call.vendorId
    const inside = this.#options.family.mediaInToolResults
    if (inside && media.length > 0) functionResponse.parts = media.map(bareMedia)
    const place = call === undefined ? -1 : this.#batch.indexOf(call)
    const order = place < 0 ? this.#batch.length : place
    this.#results.push({ order, part: { functionResponse }, beside: inside ? [] : media })
  }

  #callFor(id: string | undefined, message: ChatMessage): PendingCall | undefined {
    if (id !== undefined && id !== '') return this.#calls.get(id)
    // The legacy `function` role has no id: the newest call of that name is meant.
    const name = textOf(message.name)
    return name === '' ? undefined : this.#batch.find(call => call.name === this.#names.toWire(name))
  }

  /** The results since the last turn; undefined when there were none. */
  flush(): GeminiPart[] | undefined {
    const results = this.#results
    if (results.length === 0 && !this.#repairs()) return undefined
    this.#results = []
    const batch = this.#batch
    this.#batch = []
    if (this.#options.modifyParams) {
      for (const [order, call] of batch.entries()) {
        if (results.some(result => result.order === order)) continue
        const functionResponse: GeminiFunctionResponse = {
          name: call.name,
          response: { error: 'The tool gave no result.' },
        }
        if (call.vendorId !== undefined) functionResponse.id = call.vendorId
        results.push({ order, part: { functionResponse }, beside: [] })
      }
    }
    results.sort((left, right) => left.order - right.order)
    return [...results.map(result => result.part), ...results.flatMap(result => result.beside)]
  }

  /** Calls without any result are filled in only where the configuration allows repairs. */
  #repairs(): boolean {
    return this.#options.modifyParams && this.#batch.length > 0
  }
}

/** A function response's parts know neither resolution nor video settings. */
function bareMedia(part: GeminiPart): GeminiPart {
  return part.inlineData === undefined ? { fileData: part.fileData ?? {} } : { inlineData: part.inlineData }
}
