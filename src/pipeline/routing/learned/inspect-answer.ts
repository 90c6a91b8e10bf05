import type { AnswerChecks } from '../../../learning/rollout/port.ts'
import { matchesSchema } from './matches-schema.ts'

/** What a complete answer gives away about itself, without asking anybody. */
export interface Inspection {
  readonly finish: string | undefined
  readonly checks: AnswerChecks
  /** Mean log probability of its tokens, where it came with them. */
  readonly meanLogprob: number | undefined
}

type Json = Readonly<Record<string, unknown>>

/** Characters beyond which an answer is not looked into. */
const longest = 512 * 1024

/** Beginnings by which models decline; of the answer's first words only. */
const refusal =
  /^\W*(?:i['’]?m (?:really )?sorry,? (?:but )?i (?:can(?:no|['’])t|am (?:not able|unable))|sorry,? (?:but )?i can(?:no|['’])t|i can(?:no|['’])t (?:help|assist|comply|provide|do that)|i(?: am|['’]m) (?:unable|not able) to (?:help|assist|provide|comply)|i (?:must|have to) (?:decline|refuse)|as an ai(?: language model)?,? i (?:can(?:no|['’])t|am not able))/i

/** Reads an OpenAI or Anthropic answer. Undefined: it is not one, or too long to be looked into. */
export function inspectAnswer(body: string, request: Json): Inspection | undefined {
  if (body.length > longest) return undefined
  let answer: Json
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed !== 'object' || parsed === null) return undefined
    answer = parsed as Json
  } catch {
    return undefined
  }
  const choice = record(Array.isArray(answer['choices']) ? answer['choices'][0] : undefined)
  return choice === undefined ? inspectMessage(answer, request) : inspectChoice(choice, request)
}

function inspectChoice(choice: Json, request: Json): Inspection {
  const message = record(choice['message'])
  const finish = word(choice['finish_reason'])
  const text = word(message?.['content']) ?? word(choice['text']) ?? ''
  const calls = Array.isArray(message?.['tool_calls']) ? message['tool_calls'] : []
  const called = calls.map(call => {
    const made = record(record(call)?.['function'])
    return { name: made?.['name'], input: parsed(made?.['arguments']) }
  })
  const format = record(request['response_format'])
  const schema = record(format?.['json_schema'])?.['schema']
  const checks = checksOf(finish === 'length', text, called, offeredNames(request), format?.['type'], schema)
  return {
    finish,
    checks: typeof message?.['refusal'] === 'string' ? { ...checks, notRefusal: false } : checks,
    meanLogprob: meanLogprob(record(choice['logprobs'])?.['content']),
  }
}

function inspectMessage(answer: Json, request: Json): Inspection | undefined {
  const { content } = answer
  if (!Array.isArray(content)) return undefined
  const finish = word(answer['stop_reason'])
  let text = ''
  const called: Called[] = []
  for (const part of content) {
    const own = record(part)
    if (own?.['type'] === 'text') text += word(own['text']) ?? ''
    else if (own?.['type'] === 'tool_use') called.push({ name: own['name'], input: own['input'] })
  }
  return {
    finish,
    checks: checksOf(finish === 'max_tokens', text, called, offeredNames(request), undefined, undefined),
    meanLogprob: undefined,
  }
}

interface Called {
  readonly name: unknown
  readonly input: unknown
}

function checksOf(
  truncated: boolean,
  text: string,
  called: readonly Called[],
  offered: ReadonlySet<unknown>,
  format: unknown,
  schema: unknown,
): AnswerChecks {
  const wantsJson = format === 'json_schema' || format === 'json_object'
  return {
    notTruncated: !truncated,
    notRefusal: called.length > 0 || !refusal.test(text.slice(0, 200)),
    notEmpty: called.length > 0 || text.trim() !== '',
    ...(wantsJson && called.length === 0 ? { jsonValid: isJson(text, schema) } : {}),
    ...(called.length > 0
      ? { toolCallsValid: called.every(({ name, input }) => offered.has(name) && record(input) !== undefined) }
      : {}),
  }
}

function isJson(text: string, schema: unknown): boolean {
  const value = parsed(text)
  return value !== undefined && matchesSchema(value, schema)
}

function offeredNames({ tools }: Json): ReadonlySet<unknown> {
  if (!Array.isArray(tools)) return new Set()
  return new Set(tools.map(tool => record(record(tool)?.['function'])?.['name'] ?? record(tool)?.['name']))
}

function meanLogprob(tokens: unknown): number | undefined {
  if (!Array.isArray(tokens) || tokens.length === 0) return undefined
  let sum = 0
  for (const token of tokens) {
    const own = record(token)?.['logprob']
    if (typeof own !== 'number') return undefined
    sum += own
  }
  return sum / tokens.length
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const word = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const record = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
