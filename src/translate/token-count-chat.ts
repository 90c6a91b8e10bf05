import { audioTokens, fileTokens, imageDataTokens, imageTokens } from './token-count-media.ts'
import { countTokens } from './token-count-text.ts'

/** OpenAI's published framing: every message adds three tokens, a name one, and the answer is primed with three. */
const perMessage = 3
const perName = 1
const perRole = 1
const primer = 3
const perToolCall = 6

/**
 * Prompt tokens of a request in any dialect we speak, counted part by part: messages, system prompt, tools, prompts
 * and inputs of the older and embedding APIs. Media count by size, never as text. Never throws, whatever the body.
 */
export function countChatTokens(body: Readonly<Record<string, unknown>>): number {
  const counter = new Counter()
  const { messages, contents } = body
  const turns = Array.isArray(messages) ? messages : Array.isArray(contents) ? contents : undefined
  if (turns !== undefined) {
    for (const message of turns) counter.message(message)
    counter.add(primer)
  }
  const system = body['system'] ?? body['systemInstruction'] ?? body['system_instruction']
  if (system !== undefined && system !== null) {
    counter.add(perMessage + perRole)
    counter.content(system, 0)
  }
  counter.input(body['prompt'])
  counter.input(body['input'])
  counter.tools(body['tools'], body['functions'])
  const format = asObject(body['response_format'])
  if (format?.['json_schema'] !== undefined) counter.json(format['json_schema'], 0)
  return counter.tokens
}

/** Completion tokens of an answer whose vendor reported no usage: a hub or Anthropic message, or plain text. */
export function countMessageTokens(message: unknown): number {
  const counter = new Counter()
  if (typeof message === 'string') counter.text(message)
  else counter.answer(message)
  return counter.tokens
}

/** Characters counted exactly; what comes after is taken at the rate seen so far (20 ms of work at the most). */
const exactCharacters = 2_000_000
/** Schemas and tool results nested deeper than this are not prompts. */
const deepest = 64

type Json = Readonly<Record<string, unknown>>

class Counter {
  tokens = 0
  #characters = 0
  #textTokens = 0

  add(tokens: number): void {
    this.tokens += tokens
  }

  text(value: unknown): void {
    if (typeof value !== 'string' || value.length === 0) return
    const tokens =
      this.#characters < exactCharacters
        ? countTokens(value)
        : Math.ceil((value.length * this.#textTokens) / Math.max(1, this.#characters))
    this.#characters += value.length
    this.#textTokens += tokens
    this.tokens += tokens
  }

  message(value: unknown): void {
    const message = asObject(value)
    if (message === undefined) return
    this.add(perMessage + perRole)
    if (typeof message['name'] === 'string') {
      this.text(message['name'])
      this.add(perName)
    }
    this.answer(message)
  }

  answer(value: unknown): void {
    const message = asObject(value)
    if (message === undefined) return
    this.content(message['content'] ?? message['parts'], 0)
    this.text(message['refusal'])
    this.text(message['reasoning_content'])
    if (Array.isArray(message['tool_calls'])) {
      for (const call of message['tool_calls']) this.#call(asObject(asObject(call)?.['function']))
    }
    this.#call(asObject(message['function_call']))
  }

  #call(call: Json | undefined): void {
    if (call === undefined) return
    this.add(perToolCall)
    this.text(call['name'])
    this.text(call['arguments'])
    this.json(call['args'] ?? call['input'] ?? call['response'], 0)
  }

  content(value: unknown, depth: number): void {
    if (typeof value === 'string') this.text(value)
    else if (depth > deepest) return
    else if (Array.isArray(value)) for (const part of value) this.#part(part, depth)
    else if (value !== undefined) this.#part(value, depth)
  }

  /** One content part of any dialect. */
  #part(value: unknown, depth: number): void {
    const part = asObject(value)
    if (part === undefined) this.text(value)
    if (part === undefined || this.#media(part)) return
    this.text(part['text'])
    this.text(part['thinking'])
    this.text(part['refusal'])
    if (part['type'] === 'tool_use') this.#call(part)
    this.#call(asObject(part['functionCall']))
    this.#call(asObject(part['functionResponse']))
    this.content(part['content'] ?? part['parts'], depth + 1)
  }

  #media(part: Json): boolean {
    const image = part['image_url']
    if (image !== undefined) {
      const detail = asObject(image)?.['detail'] ?? part['detail']
      this.add(imageTokens(asText(asObject(image)?.['url'] ?? image), detail))
      return true
    }
    const audio = asObject(part['input_audio'])
    if (audio !== undefined) {
      this.add(audioTokens(asText(audio['data']).length, audio['format']))
      return true
    }
    const file = asObject(part['file'])
    if (file !== undefined) {
      this.add(fileTokens(asText(file['file_data']).length))
      return true
    }
    if (part['video_url'] !== undefined) {
      this.add(fileTokens(0))
      return true
    }
    return this.#source(part)
  }

  /** Anthropic's `source`, Gemini's inline and file data. */
  #source(part: Json): boolean {
    const source = asObject(part['source'])
    const inline = asObject(part['inlineData'] ?? part['inline_data'])
    const data = asText(source?.['data'] ?? inline?.['data'])
    const type = asText(source?.['media_type'] ?? inline?.['mimeType'] ?? inline?.['mime_type'])
    if (part['type'] === 'image' || type.startsWith('image/')) {
      this.add(data === '' ? imageTokens('', undefined) : imageDataTokens(data))
      return true
    }
    if (source?.['type'] === 'text') {
      this.text(data)
      return true
    }
    if (source?.['type'] === 'content') return false
    if (type.startsWith('audio/')) {
      this.add(audioTokens(data.length, type === 'audio/wav' ? 'wav' : type))
      return true
    }
    if (source === undefined && inline === undefined && (part['fileData'] ?? part['file_data']) === undefined)
      return false
    this.add(fileTokens(data.length))
    return true
  }

  /** `prompt` and `input`: a text, texts, tokens, or lists of tokens. */
  input(value: unknown): void {
    this.text(value)
    if (!Array.isArray(value)) return
    for (const item of value) {
      if (typeof item === 'number') this.add(1)
      else if (Array.isArray(item)) this.add(item.length)
      else if (typeof item === 'string') this.text(item)
      else this.message(item)
    }
  }

  /** OpenAI's published framing of functions for GPT-4o: 7 a function, 12 for the list. */
  tools(tools: unknown, functions: unknown): void {
    const declared = [...flatTools(tools), ...(Array.isArray(functions) ? functions : [])]
    if (declared.length === 0) return
    this.add(12)
    for (const entry of declared) {
      const tool = asObject(entry)
      const declaration = asObject(tool?.['function']) ?? tool
      if (declaration === undefined) continue
      this.add(7)
      this.text(declaration['name'])
      this.text(declaration['description'])
      this.#schema(asObject(declaration['parameters'] ?? declaration['input_schema']), 0)
    }
  }

  /** 3 for an object, 3 a property, 3 an enum value and −3 for the list of them. */
  #schema(schema: Json | undefined, depth: number): void {
    if (schema === undefined || depth > deepest) return
    const properties = asObject(schema['properties'])
    if (properties !== undefined) {
      this.add(3)
      for (const name of Object.keys(properties)) {
        const property = asObject(properties[name])
        this.add(3)
        this.text(name)
        this.text(property?.['type'])
        this.text(property?.['description'])
        this.#schema(property, depth + 1)
      }
    }
    if (Array.isArray(schema['enum'])) {
      this.add(-3)
      for (const item of schema['enum']) {
        this.add(3)
        // An object here has no agreed spelling, and its own `toString` came with the request.
        if (typeof item !== 'object') this.text(String(item))
      }
    }
    this.#schema(asObject(schema['items']), depth + 1)
    for (const branch of [schema['anyOf'], schema['oneOf'], schema['allOf'], schema['$defs']]) {
      if (branch === undefined || branch === null || typeof branch !== 'object') continue
      for (const option of Object.values(branch)) this.#schema(asObject(option), depth + 1)
    }
  }

  /** A value as it reads in JSON, without making the JSON. */
  json(value: unknown, depth: number): void {
    if (typeof value === 'string') {
      this.add(1)
      this.text(value)
    } else if (typeof value === 'number' || typeof value === 'boolean') this.text(String(value))
    else if (value !== null && typeof value === 'object' && depth <= deepest) {
      this.add(1)
      for (const [name, item] of Object.entries(value)) {
        if (!Array.isArray(value)) {
          this.add(1)
          this.text(name)
        }
        this.json(item, depth + 1)
      }
    }
  }
}

/** Gemini lists functions inside tools. */
function flatTools(tools: unknown): unknown[] {
  if (!Array.isArray(tools)) return []
  return tools.flatMap(tool => {
    const declarations = asObject(tool)?.['functionDeclarations'] ?? asObject(tool)?.['function_declarations']
    return Array.isArray(declarations) ? declarations : [tool]
  })
}

function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : '')
