import { dot, embedHashed, hashedDims } from './hashed-text.ts'

/** A topic, told by examples, and where its prompts go. */
export interface Intent {
  readonly name: string
  /** Model groups, the first being preferred. */
  readonly models: readonly string[]
  readonly examples: readonly string[]
  /** Least likeness (cosine of hashed words) to its nearest example, 0..1. */
  readonly threshold: number
}

/** Texts of this likeness share about a third of their telling words. */
export const defaultThreshold = 0.35

export interface IntentMatch {
  readonly intent: Intent
  readonly likeness: number
}

/** Finds the topic whose example is most like a prompt. By words: examples should name what people will name. */
export class IntentMatcher {
  readonly intents: readonly Intent[]
  readonly #examples: readonly { readonly intent: Intent; readonly vector: Float32Array }[]
  readonly #prompt = new Float32Array(hashedDims)

  constructor(intents: readonly Intent[]) {
    this.intents = intents
    this.#examples = intents.flatMap(intent =>
      intent.examples.map(text => {
        const vector = new Float32Array(hashedDims)
        embedHashed(text, vector)
        return { intent, vector }
      }),
    )
  }

  /** The intent with the nearest example among those past their threshold; undefined: none is. */
  match(text: string): IntentMatch | undefined {
    embedHashed(text, this.#prompt)
    let best: IntentMatch | undefined
    for (const { intent, vector } of this.#examples) {
      const likeness = dot(this.#prompt, vector)
      if (likeness < intent.threshold || (best !== undefined && likeness <= best.likeness)) continue
      best = { intent, likeness }
    }
    return best
  }
}
