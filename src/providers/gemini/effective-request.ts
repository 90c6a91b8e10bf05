import { type DropPath, dropAt, parseDropPath } from '../../translate/openai/drop-path.ts'
import type { Target } from '../wire.ts'

export interface EffectiveRequest<T> {
  readonly request: T
  /** The `additional_drop_params` that were there to be dropped. */
  readonly dropped: readonly string[]
}

interface Prepared {
  readonly defaults: readonly (readonly [name: string, value: unknown])[]
  readonly drops: readonly (DropPath & { readonly path: string })[]
}

const prepared = new WeakMap<Target, Prepared>()

/** Fields that say the same thing: a caller who set one of them has set them all. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  max_tokens: ['max_completion_tokens', 'max_output_tokens'],
  max_completion_tokens: ['max_tokens', 'max_output_tokens'],
  reasoning_effort: ['thinking', 'thinking_config'],
  thinking: ['reasoning_effort', 'thinking_config'],
  thinking_config: ['reasoning_effort', 'thinking'],
  n: ['candidate_count'],
  stop: ['stop_sequences'],
  tools: ['functions'],
  tool_choice: ['function_call'],
}

/** The request as the deployment wants it: its presets filled in, its `additional_drop_params` taken out. No mutation. */
export function effectiveRequest<T extends Record<string, unknown>>(request: T, target: Target): EffectiveRequest<T> {
  const { defaults, drops: configured } = preparedFor(target)
  const drops = withOwnDrops(configured, request)
  if (defaults.length === 0 && drops.length === 0) return { request, dropped: [] }
  const merged: Record<string, unknown> = { ...request }
  for (const [name, value] of defaults) {
    const own = request[name]
    if (name === 'extra_body' && isObject(own) && isObject(value)) merged[name] = { ...value, ...own }
    else if (!isSet(request, name)) merged[name] = value
  }
  const dropped: string[] = []
  for (const { field, steps, path } of drops) {
    if (!Object.hasOwn(merged, field)) continue
    const before = merged[field]
    if (steps.length === 0) delete merged[field]
    else merged[field] = dropAt(before, steps)
    if (merged[field] !== before) dropped.push(path)
  }
  return { request: merged as T, dropped }
}

/** By this name, in the other spelling (`top_k`, `topK`), or by a field that means the same. */
function isSet(request: Record<string, unknown>, name: string): boolean {
  const names = [name, snake(name), ...(aliases[snake(name)] ?? [])]
  return names.some(alias => given(request[alias]) || given(request[camel(alias)]))
}

const given = (value: unknown): boolean => value !== undefined && value !== null
const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** A caller may ask for fields to be dropped too. */
function withOwnDrops(configured: Prepared['drops'], request: Record<string, unknown>): Prepared['drops'] {
  const own = request['additional_drop_params']
  if (!Array.isArray(own)) return configured
  return [...configured, ...own.filter(path => typeof path === 'string').map(dropOf)]
}

const dropOf = (path: string): Prepared['drops'][number] => ({ path, ...parseDropPath(path) })

function preparedFor(target: Target): Prepared {
  let made = prepared.get(target)
  if (made === undefined) {
    made = {
      defaults: Object.entries(target.defaults).filter(([, value]) => given(value)),
      drops: target.additionalDropParams.map(dropOf),
    }
    prepared.set(target, made)
  }
  return made
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
