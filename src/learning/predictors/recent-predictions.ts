import { LRUCache } from 'lru-cache'
import type { Method, Prediction, TrainedRouter } from '../predictor.ts'
import type { Prompt, PromptShape } from '../prompt.ts'

interface Recent {
  readonly prompt: Prompt
  readonly method: Method
  readonly prediction: Prediction
}

/** Prompts remembered, and their characters together. */
const maxPrompts = 256
const maxCharacters = 500_000
/** Milliseconds: nobody's words stay in memory for long. */
const maxAge = 60_000

/**
 * What an artifact said of prompts that come again and again: probes, templates without variables, retries. The same
 * prompt gives the same prediction, so a third one is only looked up. Of a prompt that came once its words are kept, for a
 * minute and in memory alone.
 */
export class RecentPredictions {
  readonly #router: TrainedRouter
  readonly #scratch: Prediction
  readonly #recent = new LRUCache<string, Recent | 'once'>({
    max: maxPrompts,
    maxSize: maxCharacters,
    sizeCalculation: (_, text) => text.length + 1,
    ttl: maxAge,
    ttlResolution: 1000,
    ttlAutopurge: true,
  })

  constructor(router: TrainedRouter) {
    this.#router = router
    this.#scratch = router.prediction()
  }

  /** To be read before the next call of this, and not to be changed. */
  predict(prompt: Prompt, method: Method): Prediction {
    const { text } = prompt
    const found = this.#recent.get(text)
    if (typeof found === 'object' && found.method === method && alike(found.prompt, prompt)) return found.prediction
    if (found === undefined) {
      this.#recent.set(text, 'once')
      this.#router.predict(prompt, method, this.#scratch)
      return this.#scratch
    }
    const prediction = this.#router.prediction()
    this.#router.predict(prompt, method, prediction)
    this.#recent.set(text, { prompt, method, prediction })
    return prediction
  }
}

/** All that a prediction depends on beside the text. */
function alike(a: Prompt, b: Prompt): boolean {
  return a.system === b.system && shapeFacts.every(fact => a.shape[fact] === b.shape[fact])
}

const shapeFacts = Object.keys({
  turns: true,
  historyCharacters: true,
  tools: true,
  toolSchemaDepth: true,
  inToolLoop: true,
  lastToolFailed: true,
  images: true,
  audio: true,
  jsonSchema: true,
  stream: true,
  maxOutputTokens: true,
  temperature: true,
} satisfies Record<keyof PromptShape, true>) as readonly (keyof PromptShape)[]
