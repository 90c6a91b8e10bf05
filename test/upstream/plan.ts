import type { Fault } from './fault.ts'
import { sampleOf } from './schema-sample.ts'
import { isJson, type Json } from './types.ts'

/** A request reduced to what decides the answer, whatever wire it came over. */
export interface Conversation {
  readonly lastUserText: string
  /** Texts of the tool results that the conversation ends with; empty when it ends with a user turn. */
  readonly toolResults: readonly string[]
  readonly tools: readonly OfferedTool[]
  /** `none`: no call. `force`: some call is due; a name narrows it. */
  readonly toolChoice: { readonly mode: 'auto' | 'none' | 'force'; readonly names?: readonly string[] }
  readonly parallel: boolean
  /** A schema, `true` for any JSON object, undefined for text. */
  readonly json: Json | true | undefined
  readonly think: boolean
  readonly maxTokens: number | undefined
  readonly stops: readonly string[]
}

export interface OfferedTool {
  readonly name: string
  readonly schema: unknown
}

export interface PlannedCall {
  readonly name: string
  readonly args: Json
}

/** The deterministic answer. */
export interface Plan {
  readonly reasoning: string
  readonly text: string
  /** `text` cut for streaming; joined it is `text`. */
  readonly pieces: readonly string[]
  readonly calls: readonly PlannedCall[]
  readonly finish: 'stop' | 'stop_sequence' | 'length' | 'tool' | 'filter'
  readonly stopSequence: string | undefined
  readonly reasoningTokens: number
  /** Words of text and arguments, without reasoning. */
  readonly outputTokens: number
}

/** The token count of this upstream: words. */
export function countWords(text: string): number {
  const trimmed = text.trim()
  return trimmed === '' ? 0 : trimmed.split(/\s+/).length
}

/** Words of every string value in a request part, keys and structure not counted. */
export function wordsIn(value: unknown): number {
  if (typeof value === 'string') return value.startsWith('data:') ? 1 : countWords(value)
  if (Array.isArray(value)) return value.reduce((sum: number, entry) => sum + wordsIn(entry), 0)
  if (!isJson(value)) return 0
  let sum = 0
  for (const [key, entry] of Object.entries(value)) {
    if (key === 'text' || key === 'content' || key === 'parts' || key === 'input' || key === 'arguments') {
      sum += wordsIn(entry)
    }
  }
  return sum
}

export function makePlan(conversation: Conversation, fault: Fault): Plan {
  const reasoning = conversation.think ? `thinking about: ${conversation.lastUserText}` : ''
  const calls = plannedCalls(conversation)
  if (calls.length > 0) {
    const argumentWords = calls.reduce((sum, call) => sum + countWords(JSON.stringify(call.args)), 0)
    return {
      reasoning,
      text: '',
      pieces: [],
      calls,
      finish: 'tool',
      stopSequence: undefined,
      reasoningTokens: countWords(reasoning),
      outputTokens: calls.length + argumentWords,
    }
  }
  if (fault.filter === 'completion') {
    return { ...textPlan('echo:', reasoning, fault), finish: 'filter' }
  }
  let text = answerText(conversation)
  let finish: Plan['finish'] = 'stop'
  let stopSequence: string | undefined
  for (const stop of conversation.stops) {
    const at = text.indexOf(stop)
    if (at < 0) continue
    text = text.slice(0, at)
    finish = 'stop_sequence'
    stopSequence = stop
  }
  if (fault.huge !== undefined) text += ` ${'lorem ipsum '.repeat(Math.ceil((fault.huge * 1_048_576) / 12))}`
  else if (fault.chunks !== undefined) {
    for (let words = countWords(text); words < fault.chunks; words++) text += ` word${words}`
  } else if (conversation.maxTokens !== undefined && countWords(text) > conversation.maxTokens) {
    text = (text.match(/\s*\S+/g) ?? []).slice(0, conversation.maxTokens).join('')
    finish = 'length'
    stopSequence = undefined
  }
  return { ...textPlan(text, reasoning, fault), finish, stopSequence }
}

function textPlan(text: string, reasoning: string, fault: Fault): Plan {
  return {
    reasoning,
    text,
    pieces: piecesOf(text, fault.chunks),
    calls: [],
    finish: 'stop',
    stopSequence: undefined,
    reasoningTokens: countWords(reasoning),
    outputTokens: Math.max(1, countWords(text)),
  }
}

function answerText(conversation: Conversation): string {
  if (conversation.json === true) return JSON.stringify({ echo: conversation.lastUserText })
  if (conversation.json !== undefined) return JSON.stringify(sampleOf(conversation.json))
  if (conversation.toolResults.length > 0) return `tool said: ${conversation.toolResults.join(' | ')}`
  return `echo: ${conversation.lastUserText}`
}

function plannedCalls(conversation: Conversation): PlannedCall[] {
  const { toolChoice, tools } = conversation
  if (toolChoice.mode === 'none' || tools.length === 0) return []
  const allowed = tools.filter(tool => toolChoice.names === undefined || toolChoice.names.includes(tool.name))
  let calls: PlannedCall[] = []
  if (conversation.toolResults.length === 0) {
    calls = askedCalls(conversation.lastUserText).filter(call => allowed.some(tool => tool.name === call.name))
  }
  if (calls.length === 0 && toolChoice.mode === 'force') {
    const tool = allowed[0]
    const args = tool === undefined ? undefined : sampleOf(tool.schema)
    if (tool !== undefined) calls = [{ name: tool.name, args: isJson(args) ? args : {} }]
  }
  return conversation.parallel ? calls : calls.slice(0, 1)
}

/** Finds every `call:name{json}` (or `call:name` without arguments) in a text. */
function askedCalls(text: string): PlannedCall[] {
  const calls: PlannedCall[] = []
  for (const match of text.matchAll(/call:([A-Za-z0-9_.:-]*[A-Za-z0-9_])/g)) {
    const name = match[1] ?? ''
    const rest = text.slice(match.index + match[0].length)
    let args: unknown = {}
    if (rest.startsWith('{')) {
      const end = balancedEnd(rest)
      try {
        args = JSON.parse(rest.slice(0, end))
      } catch {
        continue
      }
    }
    if (isJson(args)) calls.push({ name, args })
  }
  return calls
}

function balancedEnd(text: string): number {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (quoted) {
      if (char === '\\') at++
      else if (char === '"') quoted = false
    } else if (char === '"') quoted = true
    else if (char === '{') depth++
    else if (char === '}' && --depth === 0) return at + 1
  }
  return text.length
}

/** Cuts text at words (long ones further), or into exactly `count` pieces. */
export function piecesOf(text: string, count?: number): string[] {
  if (text === '') return []
  if (text.length > 1_048_576) return cut(text, 65_536)
  const words = text.match(/\s*\S+(\s+$)?/g) ?? [text]
  if (count === undefined) return words.flatMap(word => (word.length > 24 ? cut(word, 24) : [word]))
  const pieces: string[] = []
  for (let index = 0; index < count; index++) {
    const from = Math.floor((index * words.length) / count)
    const to = Math.floor(((index + 1) * words.length) / count)
    pieces.push(words.slice(from, to).join(''))
  }
  return pieces.filter(piece => piece !== '')
}

/** Cuts at code points, never inside a surrogate pair. */
export function cut(text: string, size: number): string[] {
  const pieces: string[] = []
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + size, text.length)
    const unit = text.charCodeAt(to - 1)
    if (to < text.length && unit >= 0xd800 && unit < 0xdc00) to++
    pieces.push(text.slice(from, to))
    from = to
  }
  return pieces
}

/** A vector that depends on the text alone, components within ±1. */
export function embeddingOf(text: string, dimensions: number): number[] {
  let state = 2_166_136_261
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 16_777_619)
  }
  return Array.from({ length: dimensions }, () => {
    state = Math.imul(state ^ (state >>> 15), 2_246_822_519) + 1
    return Math.fround((state % 1000) / 1000)
  })
}
