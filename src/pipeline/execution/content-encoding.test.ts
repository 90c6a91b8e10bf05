import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type Inflater, inflate, inflaterFor } from './content-encoding.ts'

const text = 'grüße 🌲 '.repeat(2000)
const packed = {
  gzip: zlib.gzipSync(text),
  'x-gzip': zlib.gzipSync(text),
  deflate: zlib.deflateSync(text),
  br: zlib.brotliCompressSync(text),
}

describe('inflate', () => {
  it.each(Object.entries(packed))('unpacks %s', async (encoding, body) => {
    expect((await inflate(encoding.toUpperCase(), body, 1e6)).toString()).toBe(text)
  })

  it('stops at the limit, however small the body is', async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(50_000_000))
    expect(bomb.length).toBeLessThan(100_000)
    await expect(inflate('gzip', bomb, 1_000_000)).rejects.toMatchObject({ kind: 'bad_gateway' })
  })

  it.each([
    ['gzip', Buffer.from('not gzip')],
    ['gzip', packed.gzip.subarray(0, 50)],
    ['zstd', packed.gzip],
    ['constructor', packed.gzip],
  ])('refuses a bad %s body', async (encoding, body) => {
    await expect(inflate(encoding, body, 1e6)).rejects.toMatchObject({ kind: 'bad_gateway', status: 502 })
  })
})

describe('inflaterFor', () => {
  function started(encoding: string): { inflater: Inflater | undefined; out: string[]; errors: unknown[] } {
    const out: string[] = []
    const errors: unknown[] = []
    const inflater = inflaterFor(
      encoding,
      chunk => out.push(chunk.toString()),
      error => errors.push(error),
    )
    return { inflater, out, errors }
  }

  it.each(['gzip', 'br'] as const)('gives out each flushed event before the body ends: %s', async encoding => {
    const { inflater, out } = started(encoding)
    const pack = encoding === 'gzip' ? zlib.createGzip() : zlib.createBrotliCompress()
    pack.on('data', (chunk: Buffer) => inflater?.write(chunk))
    pack.write('data: one\n\n')
    await new Promise<void>(resolve => pack.flush(() => resolve()))
    await expect.poll(() => out.join('')).toBe('data: one\n\n')
  })

  it('ends after its last byte', async () => {
    const { inflater, out } = started('deflate')
    inflater?.write(packed.deflate)
    await new Promise<void>(resolve => inflater?.end(resolve))
    expect(out.join('')).toBe(text)
  })

  it('reads several gzip members as one body', async () => {
    const { inflater, out } = started('gzip')
    inflater?.write(Buffer.concat([zlib.gzipSync('one '), zlib.gzipSync('two')]))
    await new Promise<void>(resolve => inflater?.end(resolve))
    expect(out.join('')).toBe('one two')
  })

  it('reports what it cannot read', async () => {
    const broken = started('gzip')
    broken.inflater?.write(Buffer.from('not gzip at all'))
    await expect.poll(() => broken.errors).toMatchObject([{ kind: 'bad_gateway' }])
    const unknown = started('zstd')
    expect(unknown.inflater).toBeUndefined()
    expect(unknown.errors).toMatchObject([{ kind: 'bad_gateway' }])
  })
})
