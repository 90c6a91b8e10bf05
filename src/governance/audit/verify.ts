import type { KeyObject } from 'node:crypto'
import { type Checkpoint, checkSignature } from './checkpoint.ts'
import { type AuditRecord, genesis, hashOf } from './record.ts'

/** One record as it was found, in the order in which it was found. */
export interface Found {
  /** Undefined: what stands there is no record. */
  readonly record: AuditRecord | undefined
  /** Where, for people: `export.ndjson line 7`. */
  readonly place: string
}

export type BreakKind =
  /** A line that is no record. */
  | 'malformed'
  /** A record whose content does not give its hash. */
  | 'changed'
  /** A record that does not continue the one before: one of the two was replaced together with its hash. */
  | 'unlinked'
  | 'missing'
  | 'reordered'
  /** Two different records with one number. */
  | 'forked'
  | 'truncated_head'
  | 'truncated_tail'
  /** The chain is sound in itself but not the one a checkpoint saw: it was rewritten. */
  | 'rewritten'
  | 'bad_checkpoint'

export interface ChainBreak {
  readonly kind: BreakKind
  /** The first number at which the chain does not hold. */
  readonly seq: number
  readonly message: string
  readonly place?: string | undefined
}

export interface Verdict {
  readonly valid: boolean
  /** Records that were found sound, up to the break. */
  readonly records: number
  readonly first: number | undefined
  readonly last: number | undefined
  /** Hash of the last sound record: worth keeping elsewhere. */
  readonly hash: string
  /** Identical copies that were passed over (a shipment that was sent twice). */
  readonly repeated: number
  readonly checkpoints: number
  readonly break?: ChainBreak | undefined
}

export interface VerifyOptions {
  /** The place before the first record, when the head was removed or is not at hand. Default: the beginning. */
  readonly start?: Checkpoint | undefined
  /** The start needs no signature: whoever verifies has decided to begin there. */
  readonly startTrusted?: boolean | undefined
  /** Places the chain must pass through. */
  readonly checkpoints?: readonly Checkpoint[] | undefined
  /** With it, a checkpoint (or start) that is not signed by it is a break. */
  readonly publicKey?: KeyObject | undefined
}

/** How far behind a copy may follow, and how far ahead a displaced record is looked for. */
const window = 5000

/** Walks a chain in order and stops at the first place where it does not hold. Memory is bounded by `window`. */
export async function verifyChain(source: AsyncIterable<Found>, options: VerifyOptions = {}): Promise<Verdict> {
  const walk = new Walk(options)
  const unsigned = walk.badCheckpoint()
  if (unsigned !== undefined) return walk.verdict(unsigned)
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      const fault = walk.step(next.value)
      if (fault !== undefined) return walk.verdict(await displaced(fault, next.value, iterator, walk))
    }
  } finally {
    await iterator.return?.()
  }
  return walk.verdict(walk.truncatedTail())
}

class Walk {
  readonly #publicKey: KeyObject | undefined
  readonly #start: Checkpoint | undefined
  readonly #checkpoints: readonly Checkpoint[]
  #last: { readonly seq: number; readonly hash: string }
  #first: number | undefined
  #records = 0
  #repeated = 0
  #passed = 0
  /** Hashes of the latest records, to tell a copy from a fork. */
  readonly #recent = new Map<number, string>()

  constructor({ start, startTrusted = false, checkpoints = [], publicKey }: VerifyOptions) {
    this.#publicKey = publicKey
    this.#start = startTrusted ? undefined : start
    this.#last = start ?? genesis
    // What lies before the start cannot be seen from here.
    this.#checkpoints = checkpoints.filter(({ seq }) => seq > this.#last.seq).toSorted((a, b) => a.seq - b.seq)
  }

  get last(): { readonly seq: number; readonly hash: string } {
    return this.#last
  }

  badCheckpoint(): ChainBreak | undefined {
    const all = this.#start === undefined ? this.#checkpoints : [this.#start, ...this.#checkpoints]
    const bad = all.find(checkpoint => checkSignature(checkpoint, this.#publicKey) === 'invalid')
    if (bad === undefined) return undefined
    const fault = bad.signature === undefined ? 'is not signed' : 'is not signed by the given key'
    return { kind: 'bad_checkpoint', seq: bad.seq, message: `The checkpoint at record ${bad.seq} ${fault}.` }
  }

  step({ record, place }: Found): ChainBreak | undefined {
    const expected = this.#last.seq + 1
    if (record === undefined) {
      return { kind: 'malformed', seq: expected, message: `Where record ${expected} should be is no record.`, place }
    }
    if (record.seq < expected) return this.#earlier(record, place)
    if (record.seq > expected) return this.#gap(record, place)
    if (hashOf(record) !== record.hash) {
      const message = `Record ${expected} was changed: its content does not give its hash.`
      return { kind: 'changed', seq: expected, message, place }
    }
    if (record.previous_hash !== this.#last.hash) {
      const message =
        expected === 1
          ? 'Record 1 does not start the chain: it was replaced together with its hash.'
          : `Record ${expected} does not continue record ${expected - 1}: one of the two was replaced together with its hash.`
      return { kind: 'unlinked', seq: expected, message, place }
    }
    for (let seen = this.#checkpoints[this.#passed]; seen?.seq === expected; seen = this.#checkpoints[this.#passed]) {
      if (seen.hash !== record.hash) return rewritten(expected, place)
      this.#passed++
    }
    this.#accept(record)
    return undefined
  }

  truncatedTail(): ChainBreak | undefined {
    const ahead = this.#checkpoints.at(-1)
    if (ahead === undefined || ahead.seq <= this.#last.seq) return undefined
    const message = `The chain ends at record ${this.#last.seq}, but a checkpoint saw record ${ahead.seq}: the end was cut off.`
    return { kind: 'truncated_tail', seq: this.#last.seq + 1, message }
  }

  verdict(fault: ChainBreak | undefined): Verdict {
    return {
      valid: fault === undefined,
      records: this.#records,
      first: this.#first,
      last: this.#first === undefined ? undefined : this.#last.seq,
      hash: this.#last.hash,
      repeated: this.#repeated,
      checkpoints: this.#passed,
      ...(fault && { break: fault }),
    }
  }

  #accept(record: AuditRecord): void {
    this.#last = record
    this.#first ??= record.seq
    this.#records++
    this.#recent.set(record.seq, record.hash)
    this.#recent.delete(record.seq - window)
  }

  /** At-least-once delivery repeats records; a copy is passed over, anything else with that number is a fault. */
  #earlier(record: AuditRecord, place: string): ChainBreak | undefined {
    const known = this.#recent.get(record.seq)
    if (known === record.hash && hashOf(record) === record.hash) {
      this.#repeated++
      return undefined
    }
    if (known !== undefined) {
      const message = `There are two different records ${record.seq}.`
      return { kind: 'forked', seq: record.seq, message, place }
    }
    const message = `Record ${record.seq} stands after record ${this.#last.seq}.`
    return { kind: 'reordered', seq: this.#last.seq + 1, message, place }
  }

  #gap(record: AuditRecord, place: string): ChainBreak {
    const from = this.#last.seq + 1
    if (this.#first === undefined) {
      const message = `The chain starts at record ${record.seq} instead of ${from}: the beginning was cut off, or is kept elsewhere.`
      return { kind: 'truncated_head', seq: from, message, place }
    }
    const gone = record.seq - from
    const message = gone === 1 ? `Record ${from} is missing.` : `Records ${from} to ${record.seq - 1} are missing.`
    return { kind: 'missing', seq: from, message, place }
  }
}

const rewritten = (seq: number, place: string): ChainBreak => ({
  kind: 'rewritten',
  seq,
  message: `Record ${seq} is not the one a checkpoint saw: the chain was rewritten at or before it.`,
  place,
})

/**
 * A record that is not where it belongs looks like a missing or a changed one at first. It is looked for in what
 * follows, also under another number.
 */
async function displaced(
  fault: ChainBreak,
  at: Found,
  rest: AsyncIterator<Found>,
  { last }: Walk,
): Promise<ChainBreak> {
  if (fault.kind !== 'missing' && fault.kind !== 'changed' && fault.kind !== 'truncated_head') return fault
  const seq = last.seq + 1
  let found: Found | undefined = at
  for (let looked = 0; found !== undefined && looked < window; looked++) {
    const { record, place } = found
    const elsewhere = found !== at || record?.seq !== seq
    if (elsewhere && record !== undefined && record.hash === hashOf({ ...record, seq, previous_hash: last.hash })) {
      const where = record.seq === seq ? `stands after others (${place})` : `stands as record ${record.seq} (${place})`
      return { kind: 'reordered', seq, message: `Record ${seq} is not in its place: it ${where}.`, place: at.place }
    }
    const next = await rest.next()
    found = next.done === true ? undefined : next.value
  }
  return fault
}
