import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type AuditRecord, chained, genesis, genesisHash, hashOf, parseLine, recordLine } from './record.ts'

const content = {
  id: '0190a000-0000-7000-8000-000000000001',
  at: 1_790_000_000_000,
  actor: 'älice "a"\n\u2028',
  actor_token: 'ab'.repeat(32),
  address: null,
  action: 'updated',
  object_kind: 'key',
  object_id: 'k1',
  outcome: 'success',
  before: null,
  after: '{"max_budget":1e-7,"2":1,"1":{"a":"é"}}',
  details: null,
}

describe('the encoding of a record', () => {
  it('is the documented one, byte for byte', () => {
    // Written out by hand: a change of these bytes breaks every chain in the world and needs a new version.
    const bytes =
      `["routeiq-audit/1",1,"0190a000-0000-7000-8000-000000000001",1790000000000,"älice \\"a\\"\\n\u2028","${'ab'.repeat(32)}",null,` +
      `"updated","key","k1","success",null,"{\\"max_budget\\":1e-7,\\"2\\":1,\\"1\\":{\\"a\\":\\"é\\"}}",null,"v1:${'0'.repeat(64)}"]`
    const record = chained(content, genesis)
    expect(record.previous_hash).toBe(genesisHash)
    expect(record.hash).toBe(`v1:${createHash('sha256').update(bytes, 'utf8').digest('hex')}`)
    // The same from Python: json.dumps(…, ensure_ascii=False, separators=(',', ':')).
    expect(record.hash).toBe('v1:8915f6492d11e667836676a9a0baa312a63405645122bac6d2409eff6a4ef30a')
  })

  it('covers every field, and tells an absent value from an empty one', () => {
    const record = chained(content, genesis)
    for (const name of Object.keys(record) as (keyof AuditRecord)[]) {
      if (name === 'hash') continue
      const value = record[name]
      const changes = typeof value === 'number' ? [value + 1] : [`${value ?? ''}`, `${value ?? ''}x`, null]
      for (const changed of changes.filter(change => change !== value)) {
        expect(hashOf({ ...record, [name]: changed }), `${name} = ${changed}`).not.toBe(record.hash)
      }
    }
    expect(hashOf(record)).toBe(record.hash)
  })

  it('chains: the next record covers the hash of the one before', () => {
    const first = chained(content, genesis)
    const second = chained(content, first)
    expect([second.seq, second.previous_hash]).toEqual([2, first.hash])
    expect(second.hash).not.toBe(first.hash)
  })
})

describe('a line of NDJSON', () => {
  it('gives the same record back, to the hash', () => {
    const record = chained(content, genesis)
    const line = recordLine(record)
    expect(line).not.toContain('\n')
    const parsed = parseLine(line)
    expect(parsed).toEqual(record)
    expect(hashOf(parsed!)).toBe(record.hash)
  })

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"seq":1}',
    recordLine(chained(content, genesis)).replace('"seq":1', '"seq":"1"'),
    recordLine(chained(content, genesis)).replace('"seq":1', '"seq":1.5'),
    recordLine(chained(content, genesis)).replace('"before":null', '"before":{}'),
    recordLine(chained(content, genesis)).slice(0, -1),
  ])('is refused when it is no record: %s', line => {
    expect(parseLine(line)).toBeUndefined()
  })
})
