import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { chain } from './audit.fixtures.ts'
import { makeCheckpoint } from './checkpoint.ts'
import { type AuditRecord, chained, genesis, hashOf } from './record.ts'
import { type Found, type VerifyOptions, verifyChain } from './verify.ts'

async function* found(records: readonly (AuditRecord | undefined)[]): AsyncGenerator<Found> {
  for (const [index, record] of records.entries()) yield { record, place: `line ${index + 1}` }
}
const verify = (records: readonly (AuditRecord | undefined)[], options?: VerifyOptions) =>
  verifyChain(found(records), options)

const ten = chain(10)
const at = (seq: number): AuditRecord => ten[seq - 1]!
const without = (...seqs: number[]): AuditRecord[] => ten.filter(({ seq }) => !seqs.includes(seq))
const replaced = (seq: number, record: AuditRecord): AuditRecord[] => ten.with(seq - 1, record)
/** A record with another content and the hash that belongs to it. */
const forged = (seq: number): AuditRecord => {
  const record = { ...at(seq), actor: 'bob' }
  return { ...record, hash: hashOf(record) }
}
/** Every record from `seq` on written anew: the strongest forgery without the signing key. */
function rewrittenFrom(seq: number): AuditRecord[] {
  const records = ten.slice(0, seq - 1)
  for (const record of ten.slice(seq - 1)) {
    records.push(chained({ ...record, actor: 'bob' }, records.at(-1) ?? genesis))
  }
  return records
}
const mark = (seq: number) => makeCheckpoint({ seq, hash: at(seq).hash, at: 0 }, undefined)

describe('a sound chain', () => {
  it('is valid, and its end is told', async () => {
    expect(await verify(ten)).toEqual({
      valid: true,
      records: 10,
      first: 1,
      last: 10,
      hash: at(10).hash,
      repeated: 0,
      checkpoints: 0,
    })
    expect(await verify([])).toMatchObject({ valid: true, records: 0, first: undefined, last: undefined })
  })

  it('may have been shipped twice in parts', async () => {
    const twice = [...ten.slice(0, 6), ...ten.slice(2, 8), ...ten.slice(4)]
    expect(await verify(twice)).toMatchObject({ valid: true, records: 10, repeated: 8 })
  })

  it('may start at a kept checkpoint', async () => {
    expect(await verify(ten.slice(4), { start: mark(4) })).toMatchObject({ valid: true, records: 6, first: 5 })
    const wrong = { ...mark(4), hash: at(3).hash }
    expect(await verify(ten.slice(4), { start: wrong })).toMatchObject({ break: { kind: 'unlinked', seq: 5 } })
  })

  it('passes through its checkpoints, two of one place too', async () => {
    const checkpoints = [mark(10), mark(3), mark(3)]
    expect(await verify(ten, { checkpoints })).toMatchObject({ valid: true, checkpoints: 3 })
  })
})

describe('a chain that was tampered with breaks where it was', () => {
  it.each<[string, readonly (AuditRecord | undefined)[], string, number, RegExp]>([
    ['a changed field', replaced(4, { ...at(4), after: '{"max_budget":3}' }), 'changed', 4, /Record 4 was changed/],
    ['a changed time', replaced(4, { ...at(4), at: at(4).at + 1 }), 'changed', 4, /Record 4/],
    ['a changed hash', replaced(4, { ...at(4), hash: at(5).hash }), 'changed', 4, /Record 4/],
    ['a changed link', replaced(4, { ...at(4), previous_hash: at(2).hash }), 'changed', 4, /Record 4/],
    ['a changed first record', replaced(1, { ...at(1), actor: 'bob' }), 'changed', 1, /Record 1/],
    ['a changed last record', replaced(10, { ...at(10), actor: 'bob' }), 'changed', 10, /Record 10/],
    ['a record replaced with its hash', replaced(4, forged(4)), 'unlinked', 5, /Record 5 does not continue record 4/],
    [
      'another beginning',
      [chained({ ...at(1) }, { seq: 0, hash: at(9).hash }), ...ten.slice(1)],
      'unlinked',
      1,
      /start/,
    ],
    ['a missing record', without(4), 'missing', 4, /Record 4 is missing/],
    ['missing records', without(4, 5, 6), 'missing', 4, /Records 4 to 6 are missing/],
    ['a missing head', ten.slice(2), 'truncated_head', 1, /starts at record 3 instead of 1/],
    ['neighbours swapped', [...ten.slice(0, 3), at(5), at(4), ...ten.slice(5)], 'reordered', 4, /stands after others/],
    ['one moved to the end', [...without(4), at(4)], 'reordered', 4, /stands after others \(line 10\)/],
    ['the first moved', [...without(1), at(1)], 'reordered', 1, /stands after others/],
    [
      'two that changed numbers',
      [...ten.slice(0, 3), { ...at(5), seq: 4 }, { ...at(4), seq: 5 }, ...ten.slice(5)],
      'reordered',
      4,
      /stands as record 5/,
    ],
    [
      'a renumbered rest',
      [...ten.slice(0, 3), ...ten.slice(4).map(r => ({ ...r, seq: r.seq - 1 }))],
      'changed',
      4,
      /4/,
    ],
    [
      'a second record of one number',
      [...ten.slice(0, 6), forged(5), ...ten.slice(6)],
      'forked',
      5,
      /two different records 5/,
    ],
    [
      'a line that is no record',
      [...ten.slice(0, 3), undefined, ...ten.slice(3)],
      'malformed',
      4,
      /record 4 should be/,
    ],
  ])('%s', async (_name, records, kind, seq, message) => {
    const verdict = await verify(records)
    expect(verdict).toMatchObject({ valid: false, break: { kind, seq, message: expect.stringMatching(message) } })
    // A fork names the number that there are two of; everything up to the place of the fault was sound.
    if (kind !== 'forked') expect(verdict.records).toBe(seq - 1)
  })

  it('a cut tail and a rewritten chain are sound in themselves: only a checkpoint tells', async () => {
    const cut = ten.slice(0, 7)
    expect(await verify(cut)).toMatchObject({ valid: true })
    expect(await verify(cut, { checkpoints: [mark(9)] })).toMatchObject({
      valid: false,
      records: 7,
      break: { kind: 'truncated_tail', seq: 8, message: expect.stringMatching(/ends at record 7.*saw record 9/) },
    })
    const rewritten = rewrittenFrom(4)
    expect(await verify(rewritten)).toMatchObject({ valid: true })
    expect(await verify(rewritten, { checkpoints: [mark(2), mark(6)] })).toMatchObject({
      valid: false,
      records: 5,
      checkpoints: 1,
      break: { kind: 'rewritten', seq: 6 },
    })
    expect(await verify([], { checkpoints: [mark(1)] })).toMatchObject({ break: { kind: 'truncated_tail', seq: 1 } })
  })

  it('a checkpoint counts only with the right signature, when a key is given', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const signed = makeCheckpoint({ ...at(6), at: 5 }, privateKey)
    const check = (checkpoint: typeof signed) => verify(ten, { checkpoints: [checkpoint], publicKey })
    expect(await check(signed)).toMatchObject({ valid: true, checkpoints: 1 })
    const other = makeCheckpoint({ ...at(6), at: 5 }, generateKeyPairSync('ed25519').privateKey)
    for (const bad of [mark(6), other, { ...signed, seq: 5 }, { ...signed, hash: at(5).hash }, { ...signed, at: 6 }]) {
      expect(await check(bad)).toMatchObject({
        valid: false,
        records: 0,
        break: { kind: 'bad_checkpoint', seq: bad.seq },
      })
    }
    const start = { start: mark(4), publicKey }
    expect(await verify(ten.slice(4), start)).toMatchObject({ break: { kind: 'bad_checkpoint', seq: 4 } })
  })
})
