import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packToolCallId, unpackToolCallId } from './tool-call-id.ts'
import { ToolNames } from './tool-names.ts'

const generated = () => 'call_0123456789abcdef01234567'

describe('tool call ids', () => {
  it('carry any signature and the vendor id there and back, in characters every client takes', () => {
    const signature = fc.oneof(
      fc.string(),
      fc.uint8Array().map(bytes => Buffer.from(bytes).toString('base64')),
      fc.uint8Array().map(bytes => Buffer.from(bytes).toString('base64url')),
    )
    fc.assert(
      fc.property(
        fc.option(fc.oneof(fc.string(), fc.stringMatching(/^[\w-]{1,64}$/)), { nil: undefined }),
        signature,
        (id, signed) => {
          // Lone surrogates are not text that could have come in JSON.
          const packed = packToolCallId(id, generated, signed.toWellFormed())
          expect(packed).toMatch(/^[A-Za-z0-9_-]+$/)
          const unpacked = unpackToolCallId(packed)
          expect(unpacked.signature ?? '').toBe(signed.toWellFormed())
          if (unpacked.vendorId !== undefined) expect(unpacked.vendorId).toBe(id)
          else expect(unpacked.id).toBe(generated())
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('of other vendors stay whole', () => {
    for (const id of ['call_abc', 'toolu_01__signal', 'x__sig', '']) {
      expect(unpackToolCallId(id)).toEqual({ id, signature: undefined, vendorId: undefined })
    }
  })
})

describe('tool names', () => {
  it('become valid, stay apart, and come back', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('a b', 'a_b', 'a-b', 'a/b', '1', '_1')), {
          maxLength: 8,
        }),
        list => {
          const names = new ToolNames()
          names.reserve(list)
          const wire = list.map(name => names.toWire(name))
          for (const name of wire) expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/)
          expect(new Set(wire).size).toBe(list.length)
          expect(wire.map(name => names.fromWire(name))).toEqual(list)
          expect(list.map(name => names.toWire(name))).toEqual(wire)
        },
      ),
      { numRuns: 1000 },
    )
  })
})
