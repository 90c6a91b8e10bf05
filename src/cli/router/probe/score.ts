import type { Answer, Expectation } from '../../../learning/labels/answer.ts'
import { judged } from '../../../learning/labels/judge.ts'
import { type Label, type Quality, qualityOf, sourceWeight } from '../../../learning/labels/label.ts'
import type { AnswerFile } from './answers.ts'
import { CallFailed, type Completion, type GatewayClient } from './gateway-client.ts'
import type { ProbePrompt } from './prompts.ts'

/** One prompt, with what every model did; undefined where a model did not answer. */
export interface Scored {
  readonly prompt: ProbePrompt
  readonly completions: readonly (Completion | undefined)[]
  readonly qualities: readonly (Quality | undefined)[]
}

export interface ScoreOptions {
  readonly models: readonly string[]
  readonly check: ((answer: Answer, expected: Expectation) => Label[]) | undefined
  readonly judge: string | undefined
  readonly concurrency: number
  readonly onProgress: (done: number, of: number) => void
}

/** Labels by checks, and by a judge for answers that no check decides. */
export async function score(
  client: GatewayClient,
  prompts: readonly ProbePrompt[],
  answers: AnswerFile,
  options: ScoreOptions,
): Promise<Scored[]> {
  const scored: Scored[] = new Array(prompts.length)
  let next = 0
  let done = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < prompts.length; at = next++) {
      const prompt = prompts[at]
      if (prompt === undefined) continue
      const completions = options.models.map(model => answers.answer(prompt.id, model))
      const labels = completions.map(completion =>
        completion === undefined ? [] : (options.check?.(completion, prompt.expected) ?? []),
      )
      await addVerdicts(client, prompt, completions, labels, answers, options)
      scored[at] = { prompt, completions, qualities: labels.map(qualityOf) }
      options.onProgress(++done, prompts.length)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, work))
  return scored
}

/** The judge compares answers that exist and that no check has settled. */
async function addVerdicts(
  client: GatewayClient,
  prompt: ProbePrompt,
  completions: readonly (Completion | undefined)[],
  labels: Label[][],
  answers: AnswerFile,
  { models, judge }: ScoreOptions,
): Promise<void> {
  if (judge === undefined) return
  const open = completions.flatMap((completion, at) =>
    completion !== undefined && !labels[at]?.some(label => label.necessary === undefined || label.value < 0.5)
      ? [at]
      : [],
  )
  if (open.length < 2) return
  const names = open.map(at => models[at] ?? '')
  let values = answers.verdict(prompt.id, judge, names)
  if (values === undefined) {
    const ask = async (question: string): Promise<string> =>
      (await client.complete({ model: judge, messages: [{ role: 'user', content: question }], temperature: 0 })).text
    try {
      const verdicts = await judged(
        ask,
        prompt.text,
        open.map(at => completions[at]?.text ?? ''),
      )
      if (verdicts.some(verdict => verdict === undefined)) return
      values = verdicts.map(verdict => verdict?.value ?? Number.NaN)
    } catch (error) {
      // One prompt without a verdict is one row fewer; a judge that cannot be asked at all is told of.
      if (error instanceof CallFailed && !error.hopeless) return
      throw error
    }
    answers.addVerdict(prompt.id, judge, names, values)
  }
  open.forEach((at, index) => {
    labels[at]?.push({ source: 'judge', value: values[index] ?? 0.5, weight: sourceWeight.judge })
  })
}
