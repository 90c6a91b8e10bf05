import type { Answers, Operation, Reserved } from '../remote/operation.ts'
import type { CounterValue, LeaseItem, Window } from '../shared-state.ts'

/**
 * The message to the lease script and its answer: little-endian, as `struct.unpack` of Redis reads it. Doubles hold
 * integers exactly to 2^53 and Infinity as well.
 *
 * operation: 1 reserve · id, ttl d, count H, names, amounts
 *            2 settle  · id, count H, used d… │ 3 refund · id │ 4 cancel · id │ 5 renew · id, ttl d
 *            6 read    · item │ 7 add · item │ 8 assign · item │ 9 sweep
 * id:        length H, UTF-8
 * names:     length I, count keys, each as an id: one text, because calls of one caller have the same, and are many
 * amounts:   limit d, amount d, span d, seed d (−1 ask, −2 none), flags B (kind + 4 for overdraft), each
 * item:      amounts, key as id
 * answer, for each reservation and read:
 *            1, values │ 2, refusing item H, values │ 3, count H, unseeded items H… │ 4 duplicate │ value (of a read)
 * value:     used d, reserved d, end d (0: none)
 */
const codes = { reserve: 1, settle: 2, refund: 3, cancel: 4, renew: 5, read: 6, add: 7, assign: 8, sweep: 9 } as const
const kinds: Record<Window['kind'], number> = { live: 0, forever: 1, rate: 2, until: 3 }
const overdraft = 4
const askSeed = -1
const noSeed = -2
const maxText = 0xffff
const forever: Window = { kind: 'forever' }

/** Grows to the largest message so far. */
let buffer = Buffer.allocUnsafeSlow(64 * 1024)
/** The same bytes: V8 writes and reads numbers through a view in place, through `Buffer` with a call each. */
let view = new DataView(buffer.buffer)
let at = 0

/** @throws RangeError for an id or key too long to be one */
export function encodeOperations(operations: readonly Operation[]): Buffer {
  at = 0
  for (const operation of operations) encode(operation)
  return Buffer.from(buffer.subarray(0, at))
}

function encode(operation: Operation): void {
  switch (operation.what) {
    case 'reserve': {
      const { id, items, ttl, seeds } = operation
      head(codes.reserve, id)
      double(ttl)
      short(items.length)
      names(items)
      for (const item of items) {
        const seed = seeds?.get(item.key) ?? (item.seed === undefined ? noSeed : askSeed)
        amounts(item.window, item.limit, item.amount, seed, item.overdraft ? overdraft : 0)
      }
      return
    }
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
      byte(codes.read)
      amounts(forever, 0, 0, noSeed, 0)
      text(operation.key)
      return
    case 'add':
    case 'assign':
      byte(codes[operation.what])
      amounts(operation.window, 0, operation.amount, noSeed, 0)
      text(operation.key)
      return
    case 'sweep':
      byte(codes.sweep)
  }
}

function head(code: number, id: string): void {
  byte(code)
  text(id)
}

function names(items: readonly LeaseItem[]): void {
  reserve(4)
  const length = at
  at += 4
  for (const { key } of items) text(key)
  view.setUint32(length, at - length - 4, true)
}

function amounts(window: Window, limit: number, amount: number, seed: number, flags: number): void {
  reserve(33)
  view.setFloat64(at, limit, true)
  view.setFloat64(at + 8, amount, true)
  view.setFloat64(at + 16, window.kind === 'rate' ? window.ms : window.kind === 'until' ? window.at : 0, true)
  view.setFloat64(at + 24, seed, true)
  buffer[at + 32] = kinds[window.kind] + flags
  at += 33
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
  if (value > maxText) throw new RangeError(`a lease of ${value} items; ${maxText} are the most`)
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
  const values = (count: number): CounterValue[] => {
    const list = new Array<CounterValue>(count)
    for (let i = 0; i < count; i++) list[i] = valueAt(bytes, from + 24 * i)
    from += 24 * count
    return list
  }
  const reserved = ({ length }: readonly LeaseItem[]): Reserved => {
    const code = bytes.getUint8(from++)
    switch (code) {
      case 1:
        return { granted: true, values: values(length) }
      case 2: {
        const item = bytes.getUint16(from, true)
        from += 2
        const all = values(length)
        return { granted: false, item, value: all[item] as CounterValue, values: all }
      }
      case 3: {
        const unseeded = Array.from({ length: bytes.getUint16(from, true) }, (_, i) =>
          bytes.getUint16(from + 2 + 2 * i, true),
        )
        from += 2 + 2 * unseeded.length
        return { unseeded }
      }
      case 4:
        return 'duplicate'
      default:
        throw new RangeError(`an answer of the lease script begins with ${code}`)
    }
  }
  for (const operation of operations) {
    if (operation.what === 'reserve') answers.push(reserved(operation.items))
    else if (operation.what === 'read') {
      answers.push(valueAt(bytes, from))
      from += 24
    }
  }
  return answers
}

function valueAt(answer: DataView, from: number): CounterValue {
  const end = answer.getFloat64(from + 16, true)
  return {
    used: answer.getFloat64(from, true),
    reserved: answer.getFloat64(from + 8, true),
    resetAt: end === 0 ? undefined : end,
  }
}
