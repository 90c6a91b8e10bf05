import { createWriteStream, renameSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import type { Command } from '../command.ts'
import { decimal, Misuse, readOptions } from '../misuse.ts'
import { AdminClient, adminOptions, adminUsage } from './admin-client.ts'

const usage = `routeiq router collect --out <file>.jsonl: fetch decisions, what came of them and feedback, to learn from

  --out <file>             JSON lines, as routeiq router dataset build reads them
  --days <number>          how far back (default 30)
  --without-text           also calls whose text was not captured: nothing can be learned from their words
${adminUsage}`

const options = {
  out: { type: 'string' },
  days: { type: 'string' },
  'without-text': { type: 'boolean' },
  ...adminOptions,
} as const

export const collectCommand: Command = {
  usage,
  async run(argv, env, output) {
    const { values, positionals } = readOptions(argv, options)
    const { out } = values
    if (positionals.length > 0) throw new Misuse(`unexpected argument: ${positionals[0]}`)
    if (out === undefined) throw new Misuse('give --out: where to write the calls')
    const client = new AdminClient(values, env)
    const query = new URLSearchParams({
      router: client.router,
      days: String(decimal('days', values.days, 30, 0.001, 3650)),
      with_text: String(values['without-text'] !== true),
    })
    const { body } = await client.send('GET', `/decisions/export?${query}`)
    let calls = 0
    const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        for (const byte of chunk) if (byte === 10) calls++
        yield chunk
      }
    }
    // A download that breaks off must not look like a whole one.
    const beside = `${out}.${process.pid}.tmp`
    const source = body === null ? Readable.from([]) : Readable.fromWeb(body as ReadableStream)
    await pipeline(source, counted, createWriteStream(beside))
    renameSync(beside, out)
    output.err(`${out}: ${calls} calls\n`)
    if (calls > 0) return 0
    output.err('no call of this router has captured text; docs/learned-routing-loop.md says how it is switched on\n')
    return 1
  },
}
