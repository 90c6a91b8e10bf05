import { LRUCache } from 'lru-cache'
import { hashText } from '../../platform/text-hash.ts'
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
 * prompt gives the same prediction, so a third one is only looked up. Words are kept of prompts that came twice, for a minute
 * and in memory alone.
 */
export class RecentPredictions {
  readonly #router: TrainedRouter
  readonly #scratch: Prediction
  readonly #recent = new LRUCache<number, Recent | 'once'>({
    max: maxPrompts,
    maxSize: maxCharacters,
    sizeCalculation: value => (value === 'once' ? 1 : value.prompt.text.length + 1),
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
    const hash = hashText(text)
    const found = this.#recent.get(hash)
    if (typeof found === 'object' && found.method === method && alike(found.prompt, prompt)) return found.prediction
    if (found === undefined) {
      this.#recent.set(hash, 'once')
      this.#router.predict(prompt, method, this.#scratch)
      return this.#scratch
    }
    const prediction = this.#router.prediction()
    this.#router.predict(prompt, method, prediction)
    this.#recent.set(hash, { prompt, method, prediction })
    return prediction
  }
}

/** The same in all that a prediction depends on. */
function alike(a: Prompt, b: Prompt): boolean {
  return a.text === b.text && a.system === b.system && shapeFacts.every(fact => a.shape[fact] === b.shape[fact])
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
