import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** A message as a consumer would get it. */
export interface Consumed {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

/** What happens to a batch: appended and confirmed; appended, and the connection cut; refused with a protocol error. */
export type ProduceFate = 'ok' | 'appended_but_cut' | 'not_leader'

export interface KafkaBroker {
  readonly address: string
  /** Everything in the topic, by partition and offset. */
  readonly messages: readonly Consumed[]
  /** `acks` of every batch that arrived. */
  readonly acks: readonly number[]
  /** Producers that asked for an id: idempotent ones. */
  readonly producers: number
  fate: () => ProduceFate
  up(): Promise<void>
  down(): Promise<void>
}

const apis = { produce: 0, metadata: 3, apiVersions: 18, initProducerId: 22 } as const

/** The newest versions that are written without the compact encodings of KIP-482: enough for a client, little to read. */
const versions = [
  { key: apis.produce, min: 3, max: 7 },
  { key: apis.metadata, min: 1, max: 8 },
  { key: apis.apiVersions, min: 0, max: 3 },
  { key: apis.initProducerId, min: 0, max: 1 },
]

/**
 * One broker with one topic, speaking as much of Kafka's wire protocol as a producer needs
 * (https://kafka.apache.org/protocol: ApiVersions v3, Metadata v8, InitProducerId v1, Produce v7, record batches v2). It
 * checks what a real one checks of a batch: CRC-32C, magic, counts, and the sequence numbers of idempotent producers.
 * CI has no real broker. With Apache Kafka 3.9.1 (KRaft, from Maven Central's jars; SASL PLAIN and SCRAM, TLS, three
 * partitions, broker away and killed) the sink was tried by hand, and read back with the Java client.
 */
export async function startKafkaBroker(topic: string, partitions = 3): Promise<KafkaBroker> {
  const log = Array.from({ length: partitions }, (): Consumed[] => [])
  /** producer id and partition → next sequence number. */
  const sequences = new Map<string, number>()
  const acks: number[] = []
  const sockets = new Set<Socket>()
  let producers = 0
  let port = 0

  function metadata(): Writer {
    const answer = new Writer().int32(0)
    answer.int32(1).int32(1).text('127.0.0.1').int32(port).text(null)
    answer.text('test-cluster').int32(1)
    answer.int32(1).int16(0).text(topic).int8(0).int32(partitions)
    for (let index = 0; index < partitions; index++) {
      answer.int16(0).int32(index).int32(1).int32(0)
      answer.int32(1).int32(1).int32(1).int32(1).int32(0)
    }
    return answer.int32(-2_147_483_648).int32(-2_147_483_648)
  }

  /** @returns undefined: the connection is cut after the batch was appended */
  function produce(request: Reader): Writer | undefined {
    request.text()
    acks.push(request.int16())
    request.int32()
    const answer = new Writer()
    const fate = broker.fate()
    answer.int32(request.int32())
    const name = request.text()
    const count = request.int32()
    answer.text(name).int32(count)
    for (let index = 0; index < count; index++) {
      const partition = request.int32()
      const records = request.bytes()
      const [error, offset] = fate === 'not_leader' ? [6, -1] : append(partition, records)
      answer.int32(partition).int16(error).int64(BigInt(offset)).int64(-1n).int64(0n)
    }
    return fate === 'appended_but_cut' ? undefined : answer.int32(0)
  }

  /** @returns the protocol's error code and the offset of the first record */
  function append(partition: number, bytes: Buffer): readonly [error: number, offset: number] {
    const kept = log[partition]
    if (kept === undefined) return [3, -1]
    const batch = readBatch(bytes)
    if (batch === undefined) return [2, -1]
    if (batch.producerId >= 0n) {
      const key = `${batch.producerId} ${partition}`
      const expected = sequences.get(key) ?? 0
      if (batch.sequence < expected) return [0, kept.length - batch.records.length]
      if (batch.sequence > expected) return [45, -1]
      sequences.set(key, expected + batch.records.length)
    }
    const offset = kept.length
    for (const record of batch.records) kept.push({ ...record, partition, offset: kept.length })
    return [0, offset]
  }

  function answer(api: number, request: Reader): Writer | undefined {
    switch (api) {
      case apis.apiVersions:
        return apiVersions()
      case apis.metadata:
        return metadata()
      case apis.initProducerId:
        producers++
        return new Writer().int32(0).int16(0).int64(BigInt(producers)).int16(0)
      case apis.produce:
        return produce(request)
      default:
        throw new Error(`the test broker has no API ${api}`)
    }
  }

  function serve(socket: Socket): void {
    sockets.add(socket)
    let pending = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', chunk => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        const size = pending.readInt32BE(0)
        const request = new Reader(pending.subarray(4, 4 + size))
        pending = pending.subarray(4 + size)
        const api = request.int16()
        request.int16()
        const correlation = request.int32()
        request.text()
        const body = answer(api, request)
        if (body === undefined) socket.destroy()
        else {
          const payload = new Writer().int32(correlation).append(body).done()
          socket.write(new Writer().int32(payload.length).done())
          socket.write(payload)
        }
      }
    })
  }

  let server: Server | undefined
  const broker: KafkaBroker & { address: string } = {
    address: '',
    get messages() {
      return log.flat()
    },
    acks,
    get producers() {
      return producers
    },
    fate: () => 'ok',
    async up() {
      const listening = createServer(serve)
      server = listening
      await new Promise<void>(resolve => listening.listen(port, '127.0.0.1', resolve))
      port = (listening.address() as AddressInfo).port
      broker.address = `127.0.0.1:${port}`
    },
    async down() {
      const closing = server
      server = undefined
      for (const socket of sockets) socket.destroy()
      await new Promise<void>(resolve => (closing === undefined ? resolve() : closing.close(() => resolve())))
    },
  }
  // Takes a port, so that its address is known while it is down.
  await broker.up()
  await broker.down()
  return broker
}

/** The one answer in compact encoding (its body; ApiVersions answers always have the old header). */
function apiVersions(): Writer {
  const body = new Writer().int16(0).int8(versions.length + 1)
  for (const { key, min, max } of versions) body.int16(key).int16(min).int16(max).int8(0)
  return body.int32(0).int8(0)
}

interface RecordBatch {
  readonly producerId: bigint
  readonly sequence: number
  readonly records: readonly Omit<Consumed, 'partition' | 'offset'>[]
}

/** https://kafka.apache.org/documentation/#recordbatch. Undefined: corrupt. */
function readBatch(bytes: Buffer): RecordBatch | undefined {
  const reader = new Reader(bytes)
  reader.int64()
  const length = reader.int32()
  reader.int32()
  const magic = reader.int8()
  const crc = reader.int32() >>> 0
  const covered = bytes.subarray(21)
  if (magic !== 2 || length !== bytes.length - 12 || crc32c(covered) !== crc) return undefined
  const attributes = reader.int16()
  const lastOffset = reader.int32()
  reader.int64()
  reader.int64()
  const producerId = reader.int64()
  reader.int16()
  const sequence = reader.int32()
  const count = reader.int32()
  // No compression is asked for.
  if (attributes !== 0 || lastOffset !== count - 1) return undefined
  const records = Array.from({ length: count }, () => {
    reader.varint()
    reader.int8()
    reader.varint()
    reader.varint()
    const key = reader.varbytes()
    const value = reader.varbytes()
    const headers = Array.from({ length: reader.varint() }, () => [reader.varbytes(), reader.varbytes()] as const)
    return { key, value, headers: Object.fromEntries(headers) }
  })
  return { producerId, sequence, records }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C (Castagnoli); Node has the other one. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  #take(size: number): number {
    const at = this.#at
    this.#at += size
    return at
  }
  int8 = (): number => this.#bytes.readInt8(this.#take(1))
  int16 = (): number => this.#bytes.readInt16BE(this.#take(2))
  int32 = (): number => this.#bytes.readInt32BE(this.#take(4))
  int64 = (): bigint => this.#bytes.readBigInt64BE(this.#take(8))
  bytes(): Buffer {
    const size = this.int32()
    const at = this.#take(Math.max(0, size))
    return this.#bytes.subarray(at, at + Math.max(0, size))
  }
  text(): string {
    const size = this.int16()
    const at = this.#take(Math.max(0, size))
    return this.#bytes.toString('utf8', at, at + Math.max(0, size))
  }
  /** Zig-zag; values of the tests fit a number. */
  varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#take(1)]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
  }
  varbytes(): string {
    const size = this.varint()
    const at = this.#take(Math.max(0, size))
    return this.#bytes.toString('utf8', at, at + Math.max(0, size))
  }
}

class Writer {
  readonly #parts: Buffer[] = []

  #add(size: number, write: (part: Buffer) => void): this {
    const part = Buffer.alloc(size)
    write(part)
    this.#parts.push(part)
    return this
  }
  int8 = (value: number): this => this.#add(1, part => part.writeInt8(value))
  int16 = (value: number): this => this.#add(2, part => part.writeInt16BE(value))
  int32 = (value: number): this => this.#add(4, part => part.writeInt32BE(value))
  int64 = (value: bigint): this => this.#add(8, part => part.writeBigInt64BE(value))
  text(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.from(value)
    return this.int16(bytes.length).#add(bytes.length, part => bytes.copy(part))
  }
  append(other: Writer): this {
    this.#parts.push(other.done())
    return this
  }
  done = (): Buffer => Buffer.concat(this.#parts)
}
