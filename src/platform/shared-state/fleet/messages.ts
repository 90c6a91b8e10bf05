import type { Answers, Operation, Reserved } from '../remote/operation.ts'
import type { CounterValue, LeaseItem, Window } from '../shared-state.ts'

/** A channel between two processes or threads; messages pass as JSON or structured clones. */
export interface MessagePort {
  post(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  /** The other side is gone for good. */
  onClose?(listener: () => void): void
}

/** From a worker. Numbered, so that the answer finds who asked. */
export interface Question {
  readonly state: 'ask'
  readonly number: number
  readonly what: QuestionKind
  readonly args: readonly unknown[]
}

export type QuestionKind =
  | 'leases'
  | 'get'
  | 'set'
  | 'delete'
  | 'increment'
  | 'lock'
  | 'extend'
  | 'release'
  | 'publish'
  | 'subscribe'
  | 'unsubscribe'

export interface Answer {
  readonly state: 'answer'
  readonly number: number
  readonly value?: unknown
  readonly error?: string
}

/** To a worker that subscribed. */
export interface Message {
  readonly state: 'message'
  readonly channel: string
  readonly message: string
}

export function isAbout<T extends { readonly state: string }>(state: T['state'], message: unknown): message is T {
  return typeof message === 'object' && message !== null && (message as { state?: unknown }).state === state
}

/**
 * Operations and answers as flat arrays: a third of the time of objects with names in JSON, which is what workers speak,
 * and the primary reads those of all of them.
 */
export type Packed = readonly (string | number)[]

const kinds: readonly Window['kind'][] = ['live', 'forever', 'rate', 'until']
const askSeed = -1
const noSeed = -2
const fieldsOfItem = 7
const fieldsOfValue = 3

const windowOf = (kind: unknown, span: unknown): Window => {
  switch (kinds[Number(kind)]) {
    case 'rate':
      return { kind: 'rate', ms: Number(span) }
    case 'until':
      return { kind: 'until', at: Number(span) }
    case 'live':
      return { kind: 'live' }
    default:
      return { kind: 'forever' }
  }
}

const spanOf = (window: Window): number =>
  window.kind === 'rate' ? window.ms : window.kind === 'until' ? window.at : 0

/** JSON has no Infinity. */
const infinite = -1
const finite = (value: number): number => (value === Number.POSITIVE_INFINITY ? infinite : value)
const maybeInfinite = (value: unknown): number => (value === infinite ? Number.POSITIVE_INFINITY : Number(value))

export function packOperation(operation: Operation): Packed {
  switch (operation.what) {
    case 'reserve': {
      const { id, ttl, items, seeds } = operation
      const packed: (string | number)[] = ['reserve', id, ttl]
      for (const { key, window, limit, amount, overdraft, seed } of items) {
        packed.push(
          key,
          kinds.indexOf(window.kind),
          spanOf(window),
          finite(limit),
          finite(amount),
          overdraft ? 1 : 0,
          seeds?.get(key) ?? (seed === undefined ? noSeed : askSeed),
        )
      }
      return packed
    }
    case 'settle':
      return operation.actual === undefined ? ['refund', operation.id] : ['settle', operation.id, ...operation.actual]
    // Messages of one port arrive in order: the reservation came before, if ever.
    case 'cancel':
      return ['refund', operation.id]
    case 'renew':
      return ['renew', operation.ttl, ...operation.ids]
    case 'read':
      return ['read', operation.key]
    case 'add':
    case 'assign': {
      const { what, key, amount, window } = operation
      return [what, key, amount, kinds.indexOf(window.kind), spanOf(window)]
    }
    case 'sweep':
      return ['sweep']
  }
}

/** The seed is asked for by the worker, never by the primary. */
const elsewhere = async (): Promise<number> => 0

/** @throws TypeError */
export function unpackOperation(packed: Packed): Operation {
  const [what, name] = packed
  const id = String(name)
  switch (what) {
    case 'reserve': {
      const items: LeaseItem[] = []
      let seeds: Map<string, number> | undefined
      for (let i = 3; i + fieldsOfItem <= packed.length; i += fieldsOfItem) {
        const key = String(packed[i])
        const seed = Number(packed[i + 6])
        items.push({
          key,
          window: windowOf(packed[i + 1], packed[i + 2]),
          limit: maybeInfinite(packed[i + 3]),
          amount: maybeInfinite(packed[i + 4]),
          overdraft: packed[i + 5] === 1,
          seed: seed === noSeed ? undefined : elsewhere,
        })
        if (seed < 0) continue
        seeds ??= new Map()
        seeds.set(key, seed)
      }
      return { what, id, ttl: Number(packed[2]), items, seeds }
    }
    case 'settle':
      return { what, id, actual: packed.slice(2).map(Number) }
    case 'refund':
      return { what: 'settle', id, actual: undefined }
    case 'renew':
      return { what, ttl: Number(name), ids: packed.slice(2).map(String) }
    case 'read':
      return { what, key: id }
    case 'add':
    case 'assign':
      return { what, key: id, amount: Number(packed[2]), window: windowOf(packed[3], packed[4]) }
    case 'sweep':
      return { what }
    default:
      throw new TypeError(`no operation is called ${String(what)}`)
  }
}

export function packAnswer(answer: Reserved | CounterValue): Packed {
  if (answer === 'duplicate' || answer === 'full') return [answer]
  if ('unseeded' in answer) return ['unseeded', ...answer.unseeded]
  if (!('granted' in answer)) return packValues([], [answer])
  return packValues(answer.granted ? ['granted'] : ['refused', answer.item], answer.values)
}

function packValues(packed: (string | number)[], values: readonly CounterValue[]): Packed {
  for (const { used, reserved, resetAt } of values) packed.push(used, reserved, resetAt ?? 0)
  return packed
}

export function unpackAnswer(packed: Packed): Answers[number] {
  switch (packed[0]) {
    case 'duplicate':
    case 'full':
      return packed[0]
    case 'unseeded':
      return { unseeded: packed.slice(1).map(Number) }
    case 'granted':
      return { granted: true, values: unpackValues(packed, 1) }
    case 'refused': {
      const item = Number(packed[1])
      const values = unpackValues(packed, 2)
      return { granted: false, item, value: values[item] as CounterValue, values }
    }
    default:
      return unpackValues(packed, 0)[0] as CounterValue
  }
}

function unpackValues(packed: Packed, from: number): CounterValue[] {
  const values: CounterValue[] = []
  for (let i = from; i + fieldsOfValue <= packed.length; i += fieldsOfValue) {
    const resetAt = Number(packed[i + 2])
    values.push({
      used: Number(packed[i]),
      reserved: Number(packed[i + 1]),
      resetAt: resetAt === 0 ? undefined : resetAt,
    })
  }
  return values
}
