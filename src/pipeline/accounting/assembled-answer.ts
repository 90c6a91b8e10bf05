import { SseParser } from '../../translate/sse.ts'

type Json = Record<string, unknown>

/**
 * A streamed answer as the one it would have been without streaming, for people who read the books: OpenAI's chat and text
 * completions, Anthropic's messages. Of other streams the list of events. Lenient: a stream that was cut off is shown as
 * far as it came.
 */
export function assembledAnswer(stream: Buffer): unknown {
  const events = eventsOf(stream)
  const [first] = events
  if (first?.['object'] === 'chat.completion.chunk' || first?.['object'] === 'text_completion')
    return completion(events)
  if (first?.['type'] === 'message_start') return message(events)
  return { events }
}

function eventsOf(stream: Buffer): Json[] {
  const events: Json[] = []
  const add = ({ data }: { readonly data: string }): void => {
    try {
      const event: unknown = JSON.parse(data)
      if (isJson(event)) events.push(event)
    } catch {
      // `[DONE]`, and an event that was cut off.
    }
  }
  const parser = new SseParser()
  parser.push(stream, add)
  parser.end(add)
  return events
}

function completion(chunks: readonly Json[]): Json {
  const choices = new Map<unknown, Json>()
  const whole: Json = {}
  for (const chunk of chunks) {
    const { choices: parts, ...rest } = chunk
    for (const [name, value] of Object.entries(rest)) if (value !== null) whole[name] = value
    for (const part of listOf(parts)) {
      const { delta, index = 0, ...others } = part
      const choice = choices.get(index) ?? { index }
      choices.set(index, choice)
      if (isJson(delta)) grow(jsonIn(choice, 'message'), delta)
      grow(choice, others)
    }
  }
  if (whole['object'] === 'chat.completion.chunk') whole['object'] = 'chat.completion'
  return { ...whole, choices: [...choices.values()] }
}

/** Fields whose pieces follow each other; every other text is said again whole. */
const pieces = new Set(['content', 'reasoning_content', 'refusal', 'text', 'arguments', 'thinking', 'partial_json'])

function grow(target: Json, delta: Json): void {
  for (const [name, value] of Object.entries(delta)) {
    if (value === null || value === undefined) continue
    const known = target[name]
    if (typeof value === 'string' && typeof known === 'string' && pieces.has(name)) target[name] = known + value
    else if (name === 'tool_calls' && Array.isArray(value)) growCalls(listIn(target, name), value)
    else if (isJson(value) && isJson(known)) grow(known, value)
    else target[name] = structuredClone(value)
  }
}

function jsonIn(target: Json, name: string): Json {
  const known = target[name]
  if (isJson(known)) return known
  const made: Json = {}
  target[name] = made
  return made
}

function listIn(target: Json, name: string): Json[] {
  const known = target[name]
  if (Array.isArray(known)) return known
  const made: Json[] = []
  target[name] = made
  return made
}

function growCalls(calls: Json[], deltas: readonly unknown[]): void {
  for (const delta of listOf(deltas)) {
    const { index, ...rest } = delta
    const at = typeof index === 'number' && index >= 0 && index < 1000 ? index : calls.length
    while (calls.length <= at) calls.push({})
    grow(calls[at] as Json, rest)
  }
}

function message(events: readonly Json[]): Json {
  let whole: Json = {}
  const blocks: Json[] = []
  const inputs = new Map<number, string>()
  for (const event of events) {
    const index = placeOf(event['index'])
    switch (event['type']) {
      case 'message_start':
        whole = { ...(isJson(event['message']) ? event['message'] : {}) }
        break
      case 'content_block_start':
        blocks[index] = { ...(isJson(event['content_block']) ? event['content_block'] : {}) }
        break
      case 'content_block_delta': {
        const { type: _, partial_json: part, ...delta } = isJson(event['delta']) ? event['delta'] : {}
        if (typeof part === 'string') inputs.set(index, (inputs.get(index) ?? '') + part)
        else if (blocks[index] !== undefined) grow(blocks[index], delta)
        break
      }
      case 'message_delta':
        grow(whole, isJson(event['delta']) ? event['delta'] : {})
        if (isJson(event['usage']))
          whole['usage'] = { ...(isJson(whole['usage']) ? whole['usage'] : {}), ...event['usage'] }
        break
    }
  }
  for (const [index, text] of inputs) {
    const block = blocks[index]
    if (block !== undefined) block['input'] = parsed(text)
  }
  return { ...whole, content: blocks.filter(block => block !== undefined) }
}

/** What a vendor says is a place in a list may be anything. */
const placeOf = (index: unknown): number =>
  typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < 1000 ? index : 0

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isJson) : [])
