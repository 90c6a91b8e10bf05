import { closeSync, existsSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { isObject } from '../../../learning/dataset/fields.ts'
import { linesOf } from '../../../learning/dataset/lines.ts'
import { DatasetError } from '../../../learning/dataset/problems.ts'
import type { Completion } from './gateway-client.ts'

/**
 * What has been answered and judged, a line each, written as it comes: a probe that was stopped goes on from here and
 * pays for nothing twice. Holds answers in plain text.
 */
export class AnswerFile {
  readonly #path: string
  readonly #settings: string
  readonly #answers = new Map<string, Completion>()
  readonly #verdicts = new Map<string, readonly number[]>()
  #file: number | undefined

  private constructor(path: string, settings: string) {
    this.#path = path
    this.#settings = settings
  }

  /** @param settings what answers depend on: answers given under others are not used */
  static async open(path: string, settings: string): Promise<AnswerFile> {
    const answers = new AnswerFile(path, settings)
    if (existsSync(path)) await answers.#read()
    answers.#file = openSync(path, 'a', 0o600)
    return answers
  }

  answer(prompt: string, model: string): Completion | undefined {
    return this.#answers.get(key(prompt, model))
  }

  verdict(prompt: string, judge: string, models: readonly string[]): readonly number[] | undefined {
    return this.#verdicts.get(key(prompt, judge, ...models))
  }

  addAnswer(prompt: string, model: string, completion: Completion): void {
    this.#answers.set(key(prompt, model), completion)
    this.#write({ prompt, model, settings: this.#settings, completion })
  }

  addVerdict(prompt: string, judge: string, models: readonly string[], values: readonly number[]): void {
    this.#verdicts.set(key(prompt, judge, ...models), values)
    this.#write({ prompt, judge, models, settings: this.#settings, values })
  }

  close(): void {
    if (this.#file === undefined) return
    fsyncSync(this.#file)
    closeSync(this.#file)
    this.#file = undefined
  }

  #write(line: unknown): void {
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  async #read(): Promise<void> {
    for await (const { text, number } of linesOf(this.#path)) {
      let line: unknown
      try {
        line = JSON.parse(text)
      } catch {
        // The last line of a probe that was killed; what it held is asked again.
        continue
      }
      if (!isObject(line) || typeof line['prompt'] !== 'string')
        throw new DatasetError(`${this.#path}:${number}: this is not a file of answers: give another --answers`)
      if (line['settings'] !== this.#settings) continue
      if (typeof line['judge'] === 'string' && Array.isArray(line['models']) && Array.isArray(line['values']))
        this.#verdicts.set(
          key(line['prompt'], line['judge'], ...line['models'].map(String)),
          line['values'].map(Number),
        )
      else if (typeof line['model'] === 'string' && isObject(line['completion']))
        this.#answers.set(key(line['prompt'], line['model']), restored(line['completion'] as unknown as Completion))
    }
  }
}

const key = (...parts: readonly string[]): string => JSON.stringify(parts)

/** JSON has no NaN: it wrote null. */
const restored = (completion: Completion): Completion => ({
  ...completion,
  cost: completion.cost ?? Number.NaN,
  inputTokens: completion.inputTokens ?? Number.NaN,
  outputTokens: completion.outputTokens ?? Number.NaN,
})
