import { createHash } from 'node:crypto'
import { endianness } from 'node:os'
import { z } from 'zod'
import type { TypedArray } from '../predictors/part.ts'
import { refused } from './refusal.ts'

/**
 * Named arrays behind a JSON header, in one file:
 *
 *     magic (8) · header length u32 · section bytes u32 · header (JSON, padded with spaces) · sections, little-endian
 *
 * Sections start at multiples of 8, so that they are read in place as typed arrays. The header names each section's type,
 * place and SHA-256.
 */
const magic = Buffer.from('ROUTEIQ1', 'latin1')
const preamble = 16
const alignment = 8
const mostHeaderBytes = 64 * 1024 * 1024

const types = { i8: Int8Array, u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array } as const
type TypeName = keyof typeof types

const sectionSchema = z.strictObject({
  name: z.string().max(200),
  type: z.enum(['i8', 'u8', 'u16', 'u32', 'f32']),
  offset: z.int().nonnegative(),
  length: z.int().nonnegative(),
  sha256: z.string().length(64),
})
const headerSchema = z.strictObject({ sections: z.array(sectionSchema).max(10_000), contents: z.unknown() })

export interface Container {
  /** JSON. */
  readonly contents: unknown
  readonly arrays: ReadonlyMap<string, TypedArray>
}

export function packContainer(contents: unknown, arrays: ReadonlyMap<string, TypedArray>): Uint8Array {
  if (endianness() !== 'LE') throw new Error('artifacts are written on little-endian machines only')
  const sections: z.infer<typeof sectionSchema>[] = []
  let offset = 0
  for (const [name, array] of arrays) {
    sections.push({ name, type: typeOf(array), offset, length: array.length, sha256: sha256(bytesOf(array)) })
    offset = aligned(offset + array.byteLength)
  }
  const json = Buffer.from(JSON.stringify({ sections, contents }))
  const headerLength = aligned(json.length)
  const bytes = new Uint8Array(preamble + headerLength + offset)
  bytes.set(magic)
  const view = new DataView(bytes.buffer)
  view.setUint32(8, headerLength, true)
  view.setUint32(12, offset, true)
  bytes.fill(32, preamble, preamble + headerLength)
  bytes.set(json, preamble)
  let index = 0
  for (const array of arrays.values()) {
    bytes.set(bytesOf(array), preamble + headerLength + (sections[index++]?.offset ?? 0))
  }
  return bytes
}

export const isContainer = (bytes: Uint8Array): boolean => magic.equals(bytes.subarray(0, magic.length))

interface Extent {
  /** Where sections begin. */
  readonly start: number
  /** Bytes of the container; what follows (a signature) is not its business. */
  readonly length: number
}

/** Reads no more than the first 16 bytes. @throws GatewayError */
export function containerExtent(bytes: Uint8Array): Extent {
  if (!isContainer(bytes)) throw refused('it does not begin as an artifact of this gateway does')
  if (bytes.length < preamble) throw refused('the file is cut off')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const headerLength = view.getUint32(8, true)
  const start = preamble + headerLength
  const length = start + view.getUint32(12, true)
  if (headerLength > mostHeaderBytes || headerLength % alignment !== 0 || length > bytes.length) {
    throw refused(`the file is cut off or corrupt: ${bytes.length} bytes where ${length} were expected`)
  }
  return { start, length }
}

/** Views, not copies: the bytes must not be changed afterwards. @throws GatewayError */
export function unpackContainer(given: Uint8Array): Container {
  const { start, length } = containerExtent(given)
  if (endianness() !== 'LE') throw refused('artifacts are read on little-endian machines only')
  // Typed arrays start at multiples of their element's size; a buffer from a pool may not.
  const bytes = given.byteOffset % alignment === 0 ? given : Uint8Array.from(given)
  const header = parseHeader(bytes.subarray(preamble, start))
  const arrays = new Map<string, TypedArray>()
  for (const section of header.sections) arrays.set(section.name, readSection(section, bytes, start, length - start))
  return { contents: header.contents, arrays }
}

function parseHeader(bytes: Uint8Array): z.infer<typeof headerSchema> {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw refused('its header is not JSON: the file is corrupt')
  }
  const parsed = headerSchema.safeParse(json)
  if (!parsed.success) throw refused(`its header is not understood: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

function readSection(
  { name, type, offset, length, sha256: expected }: z.infer<typeof sectionSchema>,
  bytes: Uint8Array,
  start: number,
  sectionBytes: number,
): TypedArray {
  const Type = types[type]
  const byteLength = length * Type.BYTES_PER_ELEMENT
  if (offset % alignment !== 0 || offset + byteLength > sectionBytes) {
    throw refused(`its section '${name}' lies outside the file`)
  }
  if (sha256(bytes.subarray(start + offset, start + offset + byteLength)) !== expected) {
    throw refused(`its section '${name}' is corrupt (SHA-256 differs): copy the file again`)
  }
  return new Type(bytes.buffer as ArrayBuffer, bytes.byteOffset + start + offset, length)
}

function typeOf(array: TypedArray): TypeName {
  if (array instanceof Int8Array) return 'i8'
  if (array instanceof Uint8Array) return 'u8'
  if (array instanceof Uint16Array) return 'u16'
  return array instanceof Uint32Array ? 'u32' : 'f32'
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const bytesOf = (array: TypedArray): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
const aligned = (length: number): number => Math.ceil(length / alignment) * alignment
