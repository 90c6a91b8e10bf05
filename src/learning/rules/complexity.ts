import { codeWords, reasoningWords, simpleWords, stepWords, technicalWords } from './vocabulary.ts'
import { WordList } from './word-match.ts'

/** LiteLLM's complexity router: seven dimensions, weighted, cut into four tiers. */
export const tiers = ['SIMPLE', 'MEDIUM', 'COMPLEX', 'REASONING'] as const
export type Tier = (typeof tiers)[number]

export const dimensions = [
  'tokenCount',
  'codePresence',
  'reasoningMarkers',
  'technicalTerms',
  'simpleIndicators',
  'multiStepPatterns',
  'questionComplexity',
] as const
export type Dimension = (typeof dimensions)[number]

export interface ComplexitySettings {
  readonly weights: Readonly<Record<Dimension, number>>
  /** Score from which a prompt is at least of this tier. */
  readonly boundaries: { readonly medium: number; readonly complex: number; readonly reasoning: number }
  /** Tokens up to which a prompt counts as short, and from which as long. */
  readonly tokens: { readonly simple: number; readonly complex: number }
  readonly codeWords: readonly string[]
  readonly reasoningWords: readonly string[]
  readonly technicalWords: readonly string[]
  readonly simpleWords: readonly string[]
  /** Words that settle the tier, whatever the score; the first rule that matches. */
  readonly wordTiers: readonly { readonly words: readonly string[]; readonly tier: Tier }[]
}

/** Weights and boundaries are LiteLLM's documented defaults; the words are our own. */
export const defaultComplexity: ComplexitySettings = {
  weights: {
    tokenCount: 0.1,
    codePresence: 0.3,
    reasoningMarkers: 0.25,
    technicalTerms: 0.25,
    simpleIndicators: 0.05,
    multiStepPatterns: 0.03,
    questionComplexity: 0.02,
  },
  boundaries: { medium: 0.15, complex: 0.35, reasoning: 0.6 },
  tokens: { simple: 15, complex: 400 },
  codeWords,
  reasoningWords,
  technicalWords,
  simpleWords,
  wordTiers: [],
}

export interface Complexity {
  readonly tier: Tier
  /** −1..1; most prompts lie between −0.15 and 0.8. */
  readonly score: number
  /** What spoke loudest, for people: `code, technical terms`. */
  readonly because: string
}

/** Characters that are looked at: the head and the tail of long prompts, where tasks stand. */
const looked = 4000
const charactersPerToken = 4

const says: Readonly<Record<Dimension, string>> = {
  tokenCount: 'length',
  codePresence: 'code',
  reasoningMarkers: 'reasoning words',
  technicalTerms: 'technical terms',
  simpleIndicators: 'simple words',
  multiStepPatterns: 'several steps',
  questionComplexity: 'several questions',
}

/** Scores prompts by their words. Compiled once; a prompt takes some ten microseconds. */
export class ComplexityScorer {
  readonly #settings: ComplexitySettings
  readonly #code: WordList
  readonly #reasoning: WordList
  readonly #technical: WordList
  readonly #simple: WordList
  readonly #steps = new WordList(stepWords)
  readonly #wordTiers: readonly { readonly words: WordList; readonly tier: Tier }[]

  constructor(settings: ComplexitySettings = defaultComplexity) {
    this.#settings = settings
    this.#code = new WordList(settings.codeWords)
    this.#reasoning = new WordList(settings.reasoningWords)
    this.#technical = new WordList(settings.technicalWords)
    this.#simple = new WordList(settings.simpleWords)
    this.#wordTiers = settings.wordTiers.map(({ words, tier }) => ({ words: new WordList(words), tier }))
  }

  /** @param text the user's last turn: reasoning words in a system prompt say nothing about this question */
  score(text: string): Complexity {
    const part = text.length <= looked ? text : `${text.slice(0, looked / 2)}\n${text.slice(-looked / 2)}`
    for (const { words, tier } of this.#wordTiers) {
      if (words.count(part, 1) > 0) return { tier, score: 0, because: 'a word that settles the tier' }
    }
    const { weights, boundaries, tokens } = this.#settings
    const length = text.length / charactersPerToken
    const reasoning = this.#reasoning.count(part)
    const questions = part.split('?').length - 1
    const values: Record<Dimension, number> = {
      tokenCount: length <= tokens.simple ? -1 : length >= tokens.complex ? 1 : 0,
      codePresence: graded(this.#code.count(part) + (part.includes('```') ? 2 : 0), 1, 3),
      reasoningMarkers: graded(reasoning, 1, 2),
      technicalTerms: graded(this.#technical.count(part), 1, 3),
      simpleIndicators: this.#simple.count(part, 1) > 0 ? -1 : 0,
      multiStepPatterns: graded(this.#steps.count(part), 2, 3),
      questionComplexity: graded(questions, 2, 4),
    }
    let score = 0
    for (const name of dimensions) score += weights[name] * values[name]
    const tier: Tier =
      reasoning >= 2 || score >= boundaries.reasoning
        ? 'REASONING'
        : score >= boundaries.complex
          ? 'COMPLEX'
          : score >= boundaries.medium
            ? 'MEDIUM'
            : 'SIMPLE'
    return { tier, score, because: loudest(values, weights) }
  }
}

/** 0 below `some`, a half up to `many`, 1 from there. */
const graded = (count: number, some: number, many: number): number => (count >= many ? 1 : count >= some ? 0.5 : 0)

function loudest(values: Readonly<Record<Dimension, number>>, weights: Readonly<Record<Dimension, number>>): string {
  const named = dimensions
    .filter(name => values[name] !== 0)
    .sort((a, b) => Math.abs(values[b] * weights[b]) - Math.abs(values[a] * weights[a]))
  return named.length === 0
    ? 'nothing special'
    : named
        .slice(0, 2)
        .map(name => says[name])
        .join(', ')
}
