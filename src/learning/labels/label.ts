/**
 * Where a judgement of an answer came from, most trusted first (docs/learned-routing-offline.md):
 * a check that was executed (tests, a schema), a reference answer, a person, a judge model, and what people did next.
 */
export const labelSources = ['check', 'reference', 'feedback', 'judge', 'implicit'] as const
export type LabelSource = (typeof labelSources)[number]

export interface Label {
  readonly source: LabelSource
  /** 0..1. */
  readonly value: number
  /** How far it is trusted, 0..1. */
  readonly weight: number
  /**
   * Only a condition of a good answer: an answer that is valid JSON may still be wrong. Failing it settles the matter,
   * passing it says little.
   */
  readonly necessary?: true
}

/** Weights a source has where nothing better is known. An implicit signal never counts for more than half a label. */
export const sourceWeight: { readonly [source in LabelSource]: number } = {
  check: 1,
  reference: 1,
  feedback: 0.9,
  judge: 0.7,
  implicit: 0.5,
}

/** What passing only necessary checks is worth as a label. */
const passedWeight = 0.3

export interface Quality {
  /** 0..1. */
  readonly value: number
  readonly weight: number
  readonly source: LabelSource
}

/**
 * Several labels of one answer into one. A failed necessary check decides; else the most trusted source present does,
 * and labels of that source are averaged by weight.
 *
 * @returns undefined without a label that counts
 */
export function qualityOf(labels: readonly Label[]): Quality | undefined {
  const counted = labels.filter(label => label.weight > 0)
  const necessary = counted.filter(label => label.necessary)
  const worst = necessary.reduce((least, label) => Math.min(least, label.value), 1)
  const failed = necessary.find(label => label.value === worst && worst < 0.5)
  if (failed !== undefined) return { value: failed.value, weight: weightOf(failed), source: failed.source }
  for (const source of labelSources) {
    const group = counted.filter(label => label.source === source && label.necessary === undefined)
    if (group.length > 0) return mean(group, source)
  }
  return necessary[0] && { value: worst, weight: Math.min(passedWeight, weightOf(necessary[0])), source: 'check' }
}

/** Labels that agree do not make each other more trusted than their source: the highest weight is kept. */
function mean(labels: readonly Label[], source: LabelSource): Quality {
  let sum = 0
  let weights = 0
  let weight = 0
  for (const label of labels) {
    const own = weightOf(label)
    sum += own * label.value
    weights += own
    weight = Math.max(weight, own)
  }
  return { value: sum / weights, weight, source }
}

const weightOf = ({ source, weight }: Label): number =>
  Math.min(weight, source === 'implicit' ? sourceWeight.implicit : 1)
