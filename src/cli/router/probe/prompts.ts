import { createHash } from 'node:crypto'
import { isObject, type JsonObject, optionalText, parseObject } from '../../../learning/dataset/fields.ts'
import { linesOf } from '../../../learning/dataset/lines.ts'
import { BadLine, type Problems } from '../../../learning/dataset/problems.ts'
import type { Expectation } from '../../../learning/labels/answer.ts'

/** A prompt to put to every model of the pool. */
export interface ProbePrompt {
  /** Of the file, or a hash of the messages: what finished answers are known by when a probe goes on. */
  readonly id: string
  readonly messages: readonly JsonObject[]
  /** Of the last message of the user, and of all system messages. */
  readonly text: string
  readonly system: string
  readonly tools: readonly JsonObject[]
  readonly task: string | undefined
  readonly expected: Expectation
}

/**
 * Prompts of a file: a line of text each, or JSON lines with `prompt` (or `text`, `query`, `messages`) and where known
 * `id, system, reference` (or `answer`, `ground_truth`), `tools, task`.
 */
export async function readPrompts(path: string, limit: number, problems: Problems): Promise<ProbePrompt[]> {
  const prompts = new Map<string, ProbePrompt>()
  const json = !/\.txt(\.gz)?$/i.test(path)
  for await (const line of linesOf(path)) {
    if (prompts.size >= limit) break
    try {
      const prompt = promptOf(json ? parseObject(line.text) : { prompt: line.text })
      // The same prompt twice would only cost twice.
      if (!prompts.has(prompt.id)) prompts.set(prompt.id, prompt)
    } catch (error) {
      problems.note(path, line.number, error)
    }
  }
  return [...prompts.values()]
}

function promptOf(row: JsonObject): ProbePrompt {
  const messages = messagesOf(row)
  const text = textOf(messages.findLast(({ role }) => role === 'user'))
  if (text === '') throw new BadLine('prompt', 'is missing: give prompt, text, query or messages with one of a user')
  const tools = Array.isArray(row['tools']) ? row['tools'].filter(isObject) : []
  const system = messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .map(textOf)
    .join('\n')
  const key = createHash('sha256')
    .update(JSON.stringify([messages, tools]))
    .digest('hex')
    .slice(0, 24)
  return {
    id: optionalText(row, 'id') ?? key,
    messages,
    text,
    system,
    tools,
    task: optionalText(row, 'task') ?? optionalText(row, 'task_name'),
    expected: {
      reference: optionalText(row, 'reference') ?? optionalText(row, 'answer') ?? optionalText(row, 'ground_truth'),
      tools: tools.flatMap(({ function: tool }) =>
        isObject(tool) && typeof tool['name'] === 'string'
          ? [{ name: tool['name'], parameters: tool['parameters'] }]
          : [],
      ),
    },
  }
}

function messagesOf(row: JsonObject): JsonObject[] {
  const given = row['messages']
  if (given !== undefined) {
    if (!Array.isArray(given) || !given.every(isObject)) throw new BadLine('messages', 'must be a list of messages')
    return given
  }
  const prompt = optionalText(row, 'prompt') ?? optionalText(row, 'text') ?? optionalText(row, 'query')
  const system = optionalText(row, 'system')
  const messages: JsonObject[] = system === undefined ? [] : [{ role: 'system', content: system }]
  if (prompt !== undefined) messages.push({ role: 'user', content: prompt })
  return messages
}

function textOf(message: JsonObject | undefined): string {
  const content = message?.['content']
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.flatMap(part => (isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [])).join('\n')
}
