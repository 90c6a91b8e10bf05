import { type Label, sourceWeight } from '../../labels/label.ts'
import { type Example, tokensByLength } from '../example.ts'
import { isObject, type JsonObject } from '../fields.ts'
import { BadLine } from '../problems.ts'
import { numberOf, type Span, textOf } from './span.ts'

/** Operations in which a model answers a prompt (OpenTelemetry GenAI conventions, all generations). */
const operations = new Set(['chat', 'generate_content', 'text_completion', 'completion'])

/** @returns undefined for a span that is no answered call of a model @throws BadLine where content or model is missing */
export function exampleOfSpan(span: Span): Example | undefined {
  const { attributes } = span
  const operation = textOf(attributes, 'gen_ai.operation.name', 'llm.request.type')
  if (operation === undefined || !operations.has(operation) || span.failed) return undefined
  const model = textOf(attributes, 'gen_ai.request.model', 'gen_ai.response.model', 'llm.request.model')
  if (model === undefined) throw new BadLine('gen_ai.request.model', 'is missing')
  const messages = messagesOf(span, 'gen_ai.input.messages', 'gen_ai.prompt', 'gen_ai.content.prompt')
  const text = messages.findLast(({ role }) => role === 'user')?.text
  if (text === undefined || text === '')
    throw new BadLine(
      'gen_ai.input.messages',
      "has no text of a user: content is captured only where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT (or the gateway's capture) is on",
    )
  const system = [
    ...messages.filter(({ role }) => role === 'system' || role === 'developer').map(message => message.text),
    ...partsOf(parsed(find(span, 'gen_ai.system_instructions'))),
  ].join('\n')
  const session = textOf(attributes, 'gen_ai.conversation.id', 'session.id')
  const response = messagesOf(span, 'gen_ai.output.messages', 'gen_ai.completion', 'gen_ai.content.completion').at(
    -1,
  )?.text
  const input = numberOf(
    attributes,
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'llm.usage.prompt_tokens',
  )
  return {
    id: textOf(attributes, 'gen_ai.response.id') ?? `${model}@${span.start}`,
    text,
    ...(system !== '' && { system }),
    ...(session !== undefined && { group: session }),
    ...(span.start > 0 && { at: Math.round(span.start) }),
    inputTokens: Number.isNaN(input) ? tokensByLength(system + text) : input,
    outcomes: [
      {
        model,
        labels: labelsOf(span),
        cost: numberOf(attributes, 'gen_ai.usage.cost', 'routeiq.cost_usd', 'llm.usage.cost'),
        outputTokens: numberOf(
          attributes,
          'gen_ai.usage.output_tokens',
          'gen_ai.usage.completion_tokens',
          'llm.usage.completion_tokens',
        ),
        latency: span.duration,
        ...(response !== undefined && { response }),
      },
    ],
  }
}

/** `gen_ai.evaluation.result` events: scores between 0 and 1 that an evaluator attached. */
function labelsOf({ events }: Span): Label[] {
  return events.flatMap(({ name, attributes }): Label[] => {
    if (name !== 'gen_ai.evaluation.result') return []
    const value = numberOf(attributes, 'gen_ai.evaluation.score.value')
    if (Number.isNaN(value)) return []
    if (value > 1) throw new BadLine('gen_ai.evaluation.score.value', `must be between 0 and 1, not ${value}`)
    return [{ source: 'judge', value, weight: sourceWeight.judge }]
  })
}

interface Message {
  readonly role: string
  readonly text: string
}

/** An attribute of the span, or of an event with the details of the call. */
function find({ attributes, events }: Span, name: string): unknown {
  return attributes.get(name) ?? events.find(event => event.attributes.has(name))?.attributes.get(name)
}

/** @param name of the messages attribute @param numbered prefix of `prefix.0.role` @param older one attribute for all */
function messagesOf(span: Span, name: string, numbered: string, older: string): Message[] {
  const value = parsed(find(span, name) ?? find(span, older) ?? find(span, numbered))
  if (Array.isArray(value)) return value.filter(isObject).map(messageOf)
  if (typeof value === 'string') return [{ role: 'user', text: value }]
  const messages: Message[] = []
  for (let at = 0; ; at++) {
    const text = textOf(span.attributes, `${numbered}.${at}.content`)
    if (text === undefined) return messages
    messages.push({ role: textOf(span.attributes, `${numbered}.${at}.role`) ?? 'user', text })
  }
}

const messageOf = (message: JsonObject): Message => ({
  role: String(message['role'] ?? 'user'),
  text: partsOf(message['parts'] ?? message['content']).join('\n'),
})

function partsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) return []
  return value.flatMap(part => {
    if (typeof part === 'string') return [part]
    if (!isObject(part)) return []
    const text = part['content'] ?? part['text']
    return typeof text === 'string' && (part['type'] ?? 'text') === 'text' ? [text] : []
  })
}

/** Attributes cannot hold structures everywhere: then they hold JSON text. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
