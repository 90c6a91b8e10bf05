import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'

type Unpack = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

/** A map, because the name comes from outside: an object would also know `constructor`. */
const whole: ReadonlyMap<string, Unpack> = new Map<string, Unpack>([
  ['gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['x-gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['deflate', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate)],
  ['br', promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress)],
])

const unreadable = (encoding: string) =>
  new UpstreamFailure('bad_gateway', `The upstream answered with an unreadable ${encoding.slice(0, 40)} body.`)

/** Decompresses a complete body; output beyond `maxBytes` is an error, so a small body cannot unpack without bound. */
export async function inflate(encoding: string, body: Buffer, maxBytes: number): Promise<Buffer> {
  const unpack = whole.get(encoding.toLowerCase())
  if (unpack === undefined) throw unreadable(encoding)
  try {
    return await unpack(body, { maxOutputLength: maxBytes })
  } catch {
    throw unreadable(encoding)
  }
}

export interface Inflater {
  write(chunk: Buffer): void
  end(done: () => void): void
  pause(): void
  resume(): void
  destroy(): void
}

/** Decompresses a stream as it comes, flushing whatever can be read so far. */
export function inflaterFor(
  encoding: string,
  onData: (chunk: Buffer) => void,
  onError: (error: UpstreamFailure) => void,
): Inflater | undefined {
  const sync = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH }
  const brotli = {
    flush: zlib.constants.BROTLI_OPERATION_FLUSH,
    finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
  }
  const name = encoding.toLowerCase()
  const stream =
    name === 'gzip' || name === 'x-gzip'
      ? zlib.createGunzip(sync)
      : name === 'deflate'
        ? zlib.createInflate(sync)
        : name === 'br'
          ? zlib.createBrotliDecompress(brotli)
          : undefined
  if (stream === undefined) {
    onError(unreadable(encoding))
    return undefined
  }
  stream.on('data', onData)
  stream.on('error', () => onError(unreadable(encoding)))
  return {
    write: chunk => void stream.write(chunk),
    end: done => {
      stream.once('end', done)
      stream.end()
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    destroy: () => void stream.destroy(),
  }
}
