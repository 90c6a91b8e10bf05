import type { Label } from '../labels/label.ts'
import type { PromptShape } from '../prompt.ts'

/** What one model did with a prompt. NaN where a number is not known. */
export interface Outcome {
  readonly model: string
  readonly labels: readonly Label[]
  /** US dollars. */
  readonly cost: number
  readonly outputTokens: number
  /** Milliseconds. */
  readonly latency: number
  /** Probability with which this model was chosen, where a policy chose it. */
  readonly propensity?: number
  /** What it answered: for checks and judges while a dataset is made, never written into one. */
  readonly response?: string
}

export type Split = 'train' | 'test'

/** One prompt and what is known of it, as readers give it: whatever the format, and not yet joined with its like. */
export interface Example {
  readonly id: string
  readonly text: string
  readonly system?: string
  readonly shape?: PromptShape
  /** See `Row.group`. */
  readonly group?: string
  readonly task?: string
  readonly split?: Split
  /** Epoch ms. */
  readonly at?: number
  /** A good answer, for checks against it. */
  readonly reference?: string
  /** NaN: not known. */
  readonly inputTokens: number
  readonly outcomes: readonly Outcome[]
}

/** Tokens of a text where nobody counted them. */
export const tokensByLength = (text: string): number => Math.max(1, Math.round(text.length / 4))
