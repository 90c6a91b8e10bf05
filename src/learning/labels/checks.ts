import { z } from 'zod'
import type { Answer, Expectation } from './answer.ts'
import { type Label, type LabelSource, sourceWeight } from './label.ts'
import { choiceMatch, containsMatch, exactMatch, numberMatch, wordF1 } from './reference.ts'

/** Looks at one answer. Undefined: it has nothing to say about this one (no reference, no tool call). */
export type Check = (answer: Answer, expected: Expectation) => Label | undefined

/** Checks by name: what `--check` takes. Those with an argument follow below. */
export const namedChecks: { readonly [name: string]: Check } = {
  exact: against(exactMatch),
  contains: against(containsMatch),
  number: against(numberMatch),
  f1: against(wordF1),
  choice: against(choiceMatch),
  'not-empty': necessary(({ text, toolCalls }) => text.trim() !== '' || toolCalls.length > 0),
  'not-truncated': necessary(({ finishReason }) => finishReason !== 'length'),
  json: necessary(({ text }) => parsed(text) !== undefined),
  'tool-call': toolCallCheck,
}

function against(compare: (answer: string, reference: string) => number): Check {
  return ({ text }, { reference }) =>
    reference === undefined ? undefined : labelled('reference', compare(text, reference))
}

/** A condition without which an answer is no good, and which does not make it good. */
function necessary(holds: (answer: Answer) => boolean): Check {
  return answer => ({ ...labelled('check', holds(answer) ? 1 : 0), necessary: true })
}

const labelled = (source: LabelSource, value: number): Label => ({ source, value, weight: sourceWeight[source] })

/** The answer matches a regular expression, which decides. @throws SyntaxError for one that is none */
export function regexCheck(pattern: string, flags = ''): Check {
  const regex = new RegExp(pattern, flags.replace('g', ''))
  return ({ text }) => labelled('check', regex.test(text) ? 1 : 0)
}

/** The answer is JSON of this schema. @throws Error for a schema that cannot be read */
export function jsonSchemaCheck(schema: unknown): Check {
  const valid = validator(schema)
  return necessary(({ text }) => {
    const value = parsed(text)
    return value !== undefined && valid(value.json)
  })
}

/** Every tool called was offered and its arguments fit its schema. Nothing to say where no tool was called. */
function toolCallCheck({ toolCalls }: Answer, { tools }: Expectation): Label | undefined {
  if (toolCalls.length === 0) return undefined
  const valid = toolCalls.every(call => {
    const tool = tools.find(({ name }) => name === call.name)
    const value = parsed(call.arguments === '' ? '{}' : call.arguments)
    if (tool === undefined || value === undefined) return false
    return tool.parameters === undefined || validator(tool.parameters)(value.json)
  })
  return { ...labelled('check', valid ? 1 : 0), necessary: true }
}

const validators = new WeakMap<object, (value: unknown) => boolean>()

function validator(schema: unknown): (value: unknown) => boolean {
  if (typeof schema === 'boolean') return () => schema
  if (typeof schema !== 'object' || schema === null) throw new Error('a JSON schema must be an object')
  const known = validators.get(schema)
  if (known !== undefined) return known
  const compiled = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
  const made = (value: unknown): boolean => compiled.safeParse(value).success
  validators.set(schema, made)
  return made
}

/** JSON text, also in the fence that chat models put around it. */
function parsed(text: string): { readonly json: unknown } | undefined {
  const fenced = /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/i.exec(text)
  try {
    return { json: JSON.parse(fenced?.[1] ?? text) }
  } catch {
    return undefined
  }
}
