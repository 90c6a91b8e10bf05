import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

export interface FakeDns {
  /** `127.0.0.1:port`, for `routeiq.egress.dns_servers`. */
  readonly address: string
  /** Questions so far, `A name` and `AAAA name`. */
  readonly asked: string[]
  close(): Promise<void>
}

/**
 * A DNS server that answers as it is told, with a time to live of zero: one that rebinds tells something else each time.
 * RFC 1035 §4, one question per message.
 */
export async function fakeDns(answer: (name: string, asked: number) => readonly string[]): Promise<FakeDns> {
  const socket = createSocket('udp4')
  const asked: string[] = []
  const rounds = new Map<string, number>()
  socket.on('message', (message, peer) => {
    const { name, end } = questionIn(message)
    const v6 = message.readUInt16BE(end) === 28
    asked.push(`${v6 ? 'AAAA' : 'A'} ${name}`)
    // The question for IPv6 belongs to the round of the one for IPv4.
    const round = rounds.get(name) ?? 0
    if (!v6) rounds.set(name, round + 1)
    const addresses = answer(name, v6 ? Math.max(0, round - 1) : round).filter(address => isIPv6(address) === v6)
    const head = Buffer.alloc(12)
    head.writeUInt16BE(message.readUInt16BE(0), 0)
    head.writeUInt16BE(0x8180, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(addresses.length, 6)
    const records = addresses.map(address => record(address, v6))
    socket.send(Buffer.concat([head, message.subarray(12, end + 4), ...records]), peer.port, peer.address)
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    close: () => new Promise(resolve => socket.close(() => resolve())),
  }
}

function questionIn(message: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = message[at] ?? 0; length !== 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

function record(address: string, v6: boolean): Buffer {
  const data = v6 ? bytesOfV6(address) : Buffer.from(address.split('.').map(Number))
  const head = Buffer.from([0xc0, 12, 0, v6 ? 28 : 1, 0, 1, 0, 0, 0, 0, 0, data.length])
  return Buffer.concat([head, data])
}

function bytesOfV6(address: string): Buffer {
  const hex = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [front = '', back] = hex.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
  const head = groups(front)
  const tail = back === undefined ? [] : groups(back)
  const all = back === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, index * 2)
  return bytes
}
