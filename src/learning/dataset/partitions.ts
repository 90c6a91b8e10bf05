import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Example } from './example.ts'
import { normalised } from './groups.ts'
import { joinExamples, type Sourced } from './join-examples.ts'
import { linesOf } from './lines.ts'

/** Files that examples are dealt into by their prompt's hash, so that one is joined in memory at a time. */
const partitions = 64
/** Characters kept back per file before they are written. */
const bufferLength = 1 << 18

interface Dealt extends Sourced {
  readonly key: string
}

export interface Joined {
  readonly key: string
  readonly example: Example
  /** Lines that told of this prompt. */
  readonly lines: number
}

/** Prompts of the same normalised text and system text are one prompt. */
export const promptKey = (text: string, system: string | undefined): string =>
  createHash('sha256')
    .update(normalised(text))
    .update('\0')
    .update(normalised(system ?? ''))
    .digest('hex')
    .slice(0, 32)

/** Joins what is known of the same prompt, however much data there is: dealt to disk by hash, joined part by part. */
export class Partitions {
  readonly #folder = mkdtempSync(join(tmpdir(), 'routeiq-join-'))
  readonly #buffers = Array.from({ length: partitions }, () => '')

  add(source: number, example: Example): void {
    const key = promptKey(example.text, example.system)
    const at = Number.parseInt(key.slice(0, 2), 16) >> 2
    const dealt: Dealt = { key, source, example }
    const buffer = `${this.#buffers[at] ?? ''}${JSON.stringify(dealt)}\n`
    if (buffer.length < bufferLength) this.#buffers[at] = buffer
    else this.#write(at, buffer)
  }

  /** In an order that depends on the prompts alone. */
  async *joined(): AsyncGenerator<Joined> {
    for (let at = 0; at < partitions; at++) {
      this.#write(at, this.#buffers[at] ?? '')
      const file = this.#file(at)
      if (!existsSync(file)) continue
      const byKey = new Map<string, Dealt[]>()
      for await (const line of linesOf(file)) {
        const dealt = restored(JSON.parse(line.text) as Dealt)
        const same = byKey.get(dealt.key)
        if (same === undefined) byKey.set(dealt.key, [dealt])
        else same.push(dealt)
      }
      for (const [key, same] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)))
        yield { key, example: joinExamples(same), lines: same.length }
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #write(at: number, text: string): void {
    this.#buffers[at] = ''
    if (text !== '') appendFileSync(this.#file(at), text)
  }

  #file(at: number): string {
    return join(this.#folder, `${at}.jsonl`)
  }
}

/** JSON has no NaN: it wrote null. */
function restored(dealt: Dealt): Dealt {
  const number = (value: number | null): number => value ?? Number.NaN
  const { example } = dealt
  return {
    ...dealt,
    example: {
      ...example,
      inputTokens: number(example.inputTokens),
      outcomes: example.outcomes.map(outcome => ({
        ...outcome,
        cost: number(outcome.cost),
        outputTokens: number(outcome.outputTokens),
        latency: number(outcome.latency),
      })),
    },
  }
}
