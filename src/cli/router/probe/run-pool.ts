import { DatasetError } from '../../../learning/dataset/problems.ts'
import type { AnswerFile } from './answers.ts'
import { CallFailed, type GatewayClient } from './gateway-client.ts'
import type { ProbePrompt } from './prompts.ts'

export interface PoolOptions {
  readonly models: readonly string[]
  readonly concurrency: number
  readonly maxTokens: number
  readonly temperature: number | undefined
  readonly onProgress: (done: number, of: number) => void
}

/** More failures than this share, after this many calls, and the pool is not in order. */
const mostFailures = { share: 0.2, after: 20 }

/** What could not be asked. */
export interface PoolResult {
  readonly asked: number
  readonly failed: readonly string[]
}

/** Puts every prompt to every model that has not answered it yet. @throws DatasetError when too much fails */
export async function runPool(
  client: GatewayClient,
  prompts: readonly ProbePrompt[],
  answers: AnswerFile,
  options: PoolOptions,
): Promise<PoolResult> {
  const all = prompts.flatMap(prompt => options.models.map(model => ({ prompt, model })))
  const open = all.filter(({ prompt, model }) => answers.answer(prompt.id, model) === undefined)
  const failed: string[] = []
  let done = all.length - open.length
  let next = 0
  const work = async (): Promise<void> => {
    for (let task = open[next++]; task !== undefined; task = open[next++]) {
      const { prompt, model } = task
      try {
        answers.addAnswer(prompt.id, model, await client.complete(request(prompt, model, options)))
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error
        failed.push(error.message)
        const tooMany = failed.length > mostFailures.share * next && next >= mostFailures.after
        if (error.hopeless || tooMany) {
          const calls = Math.min(next, open.length)
          // The other workers find nothing more to do.
          next = open.length
          throw new DatasetError(
            `${failed.length} of ${calls} calls failed, the last with: ${error.message}\n` +
              'Answers so far are kept: run the same command again once it is mended.',
          )
        }
      }
      options.onProgress(++done, all.length)
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: options.concurrency }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return { asked: open.length, failed }
}

const request = (prompt: ProbePrompt, model: string, { maxTokens, temperature }: PoolOptions) => ({
  model,
  messages: prompt.messages,
  max_tokens: maxTokens,
  ...(temperature !== undefined && { temperature }),
  ...(prompt.tools.length > 0 && { tools: prompt.tools }),
})
