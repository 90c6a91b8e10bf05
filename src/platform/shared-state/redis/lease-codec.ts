import type { Answers, Operation, Reserved } from '../remote/operation.ts'
import type { CounterValue, LeaseItem, Window } from '../shared-state.ts'

/**
 * The message to the lease script and its answer: little-endian, as `struct.unpack` of Redis reads it. Doubles hold
 * integers exactly to 2^53 and Infinity as well.
 *
 * operation: 1 reserve · count of ids H, ttl d, count of items H, ids, keys, then the items column by column:
 *              amounts d…, flags B… (kind + 4 for overdraft), limits d…, spans d…, seeds d… (−1 ask, −2 none).
 *              Reservations that follow one another and ask for the same travel as one
 *            2 settle  · id, count H, used d… │ 3 refund · id │ 4 cancel · id │ 5 renew · id, ttl d
 *            6 read    · item │ 7 add · item │ 8 assign · item │ 9 sweep
 * id, key:   length H, UTF-8
 * item:      amount d, span d, flags B, key
 * answer, in the order of the operations, each for so many reservations in a row:
 *            1, count H, values after the last │ 2, count H, refusing item H, values │
 *            3, count H, unseeded count H, items H… │ 4, count H: duplicates
 *            and for each read: value
 * value:     used d, reserved d, end d (0: none)
 */
const codes = { reserve: 1, settle: 2, refund: 3, cancel: 4, renew: 5, read: 6, add: 7, assign: 8, sweep: 9 } as const
const kinds: Record<Window['kind'], number> = { live: 0, forever: 1, rate: 2, until: 3 }
const overdraft = 4
const askSeed = -1
const noSeed = -2
const maxText = 0xffff
/** Lua passes a column as so many values on its stack, which holds 8,000. */
const maxItems = 4000
const forever: Window = { kind: 'forever' }

type Reservation = Extract<Operation, { what: 'reserve' }>

/** Grows to the largest message so far. */
let buffer = Buffer.allocUnsafeSlow(64 * 1024)
/** The same bytes: V8 writes and reads numbers through a view in place, through `Buffer` with a call each. */
let view = new DataView(buffer.buffer)
let at = 0

/** @throws RangeError for an id or key too long to be one */
export function encodeOperations(operations: readonly Operation[]): Buffer {
  at = 0
  for (let i = 0; i < operations.length; ) {
    const operation = operations[i] as Operation
    if (operation.what !== 'reserve') {
      encode(operation)
      i++
      continue
    }
    const first = i
    do i++
    while (i < operations.length && i - first < maxText && asksTheSame(operation, operations[i] as Operation))
    reservations(operations, first, i, operation)
  }
  return Buffer.from(buffer.subarray(0, at))
}

function asksTheSame(one: Reservation, other: Operation): other is Reservation {
  if (other.what !== 'reserve' || other.ttl !== one.ttl || other.items.length !== one.items.length) return false
  if (one.seeds !== undefined || other.seeds !== undefined) return false
  return one.items.every((item, i) => isSame(item, other.items[i] as LeaseItem))
}

const isSame = (a: LeaseItem, b: LeaseItem): boolean =>
  a.amount === b.amount &&
  a.limit === b.limit &&
  a.overdraft === b.overdraft &&
  a.window.kind === b.window.kind &&
  spanOf(a.window) === spanOf(b.window) &&
  (a.seed === undefined) === (b.seed === undefined) &&
  a.key === b.key

const spanOf = (window: Window): number =>
  window.kind === 'rate' ? window.ms : window.kind === 'until' ? window.at : 0

/** `operations` from `first` to before `end`, which all ask for what `like` asks. */
function reservations(operations: readonly Operation[], first: number, end: number, like: Reservation): void {
  const { items, ttl, seeds } = like
  const n = items.length
  if (n > maxItems) throw new RangeError(`a lease of ${n} items; ${maxItems} are the most`)
  byte(codes.reserve)
  short(end - first)
  double(ttl)
  short(n)
  for (let i = first; i < end; i++) text((operations[i] as Reservation).id)
  for (const { key } of items) text(key)
  reserve(33 * n)
  for (let i = 0; i < n; i++) {
    const item = items[i] as LeaseItem
    view.setFloat64(at + 8 * i, item.amount, true)
    buffer[at + 8 * n + i] = kinds[item.window.kind] + (item.overdraft ? overdraft : 0)
    view.setFloat64(at + 9 * n + 8 * i, item.limit, true)
    view.setFloat64(at + 17 * n + 8 * i, spanOf(item.window), true)
    const seed = seeds?.get(item.key) ?? (item.seed === undefined ? noSeed : askSeed)
    view.setFloat64(at + 25 * n + 8 * i, seed, true)
  }
  at += 33 * n
}

function encode(operation: Exclude<Operation, Reservation>): void {
  switch (operation.what) {
    case 'settle': {
      const { id, actual } = operation
      head(actual === undefined ? codes.refund : codes.settle, id)
      if (actual === undefined) return
      short(actual.length)
      for (const used of actual) double(used)
      return
    }
    case 'cancel':
      head(codes.cancel, operation.id)
      return
    case 'renew':
      for (const id of operation.ids) {
        head(codes.renew, id)
        double(operation.ttl)
      }
      return
    case 'read':
      item(codes.read, operation.key, 0, forever)
      return
    case 'add':
    case 'assign':
      item(codes[operation.what], operation.key, operation.amount, operation.window)
      return
    case 'sweep':
      byte(codes.sweep)
  }
}

function head(code: number, id: string): void {
  byte(code)
  text(id)
}

function item(code: number, key: string, amount: number, window: Window): void {
  byte(code)
  double(amount)
  double(spanOf(window))
  byte(kinds[window.kind])
  text(key)
}

function text(value: string): void {
  // A UTF-16 unit is three bytes at most.
  reserve(2 + 3 * value.length)
  const length = buffer.write(value, at + 2)
  if (length > maxText) throw new RangeError(`a key or id of ${length} bytes; ${maxText} are the most`)
  view.setUint16(at, length, true)
  at += 2 + length
}

function byte(value: number): void {
  reserve(1)
  buffer[at++] = value
}

function short(value: number): void {
  if (value > maxText) throw new RangeError(`a list of ${value}; ${maxText} are the most`)
  reserve(2)
  view.setUint16(at, value, true)
  at += 2
}

function double(value: number): void {
  reserve(8)
  view.setFloat64(at, value, true)
  at += 8
}

function reserve(bytes: number): void {
  if (at + bytes <= buffer.length) return
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * buffer.length, at + bytes))
  buffer.copy(larger, 0, 0, at)
  buffer = larger
  view = new DataView(larger.buffer)
}

/** @throws RangeError when the answer is not one to these operations */
export function decodeAnswers(answer: Buffer, operations: readonly Operation[]): Answers {
  const bytes = new DataView(answer.buffer, answer.byteOffset, answer.length)
  const answers: (Reserved | CounterValue)[] = []
  let from = 0
  const short = (): number => {
    const value = bytes.getUint16(from, true)
    from += 2
    return value
  }
  const values = (count: number): CounterValue[] => {
    const list = new Array<CounterValue>(count)
    for (let i = 0; i < count; i++) list[i] = valueAt(bytes, from + 24 * i)
    from += 24 * count
    return list
  }
  /** What reservations in a row were answered; `items` are those of each. */
  const reserved = (items: readonly LeaseItem[]): void => {
    const code = bytes.getUint8(from++)
    const count = code >= 1 && code <= 4 ? short() : 0
    switch (code) {
      case 1: {
        const last = values(items.length)
        for (let later = count - 1; later > 0; later--)
          answers.push({ granted: true, values: before(last, items, later) })
        answers.push({ granted: true, values: last })
        return
      }
      case 2: {
        const item = short()
        const all = values(items.length)
        const refusal = { granted: false, item, value: all[item] as CounterValue, values: all } as const
        for (let i = 0; i < count; i++) answers.push(refusal)
        return
      }
      case 3: {
        const unseeded = Array.from({ length: short() }, short)
        for (let i = 0; i < count; i++) answers.push({ unseeded })
        return
      }
      case 4:
        for (let i = 0; i < count; i++) answers.push('duplicate')
        return
      default:
        throw new RangeError(`an answer of the lease script begins with ${code}`)
    }
  }
  let expected = 0
  for (const operation of operations) {
    if (operation.what === 'reserve') {
      if (answers.length === expected) reserved(operation.items)
      expected++
    } else if (operation.what === 'read') {
      answers.push(valueAt(bytes, from))
      from += 24
      expected++
    }
  }
  return answers
}

/** What counters stood at before so many more took the same. */
function before(last: readonly CounterValue[], items: readonly LeaseItem[], later: number): CounterValue[] {
  const values = new Array<CounterValue>(last.length)
  for (let i = 0; i < last.length; i++) {
    const { used, reserved, resetAt } = last[i] as CounterValue
    values[i] = { used, reserved: reserved - later * (items[i] as LeaseItem).amount, resetAt }
  }
  return values
}

function valueAt(answer: DataView, from: number): CounterValue {
  const end = answer.getFloat64(from + 16, true)
  return {
    used: answer.getFloat64(from, true),
    reserved: answer.getFloat64(from + 8, true),
    resetAt: end === 0 ? undefined : end,
  }
}
