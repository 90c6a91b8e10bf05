import type { Prompt } from '../prompt.ts'
import { ComplexityScorer, defaultComplexity, type Tier } from './complexity.ts'
import { dot, embedHashed, hashedDims } from './hashed-text.ts'
import { agentWords, codeWords, reasoningWords, simpleWords, technicalWords } from './vocabulary.ts'
import { WordList } from './word-match.ts'

/** How hard a prompt looks, and why. */
export interface Difficulty {
  /** 0 (small talk) to 1 (needs the best there is). */
  readonly value: number
  readonly because: string
}

/** At or above this it is agent work, which goes to a strong model (RouteIQ's threshold). */
const agentic = 0.35

const tierDifficulty: Readonly<Record<Tier, number>> = { SIMPLE: 0.05, MEDIUM: 0.45, COMPLEX: 0.7, REASONING: 0.9 }

/**
 * Zero-config routing in RouteIQ's manner: nearness to a simple and a complex centroid, words that settle it, and signs of
 * agent work. The centroids are made here from our own vocabulary (RouteIQ's come from files its repository does not
 * hold): a heuristic, for the time before there is an artifact.
 */
export class DifficultyGuess {
  readonly #scorer = new ComplexityScorer(defaultComplexity)
  readonly #simple = centroid(simpleWords)
  readonly #complex = centroid([...reasoningWords, ...technicalWords, ...codeWords])
  readonly #agent = new WordList(agentWords)
  readonly #vector = new Float32Array(hashedDims)

  of(prompt: Prompt): Difficulty {
    const agent = this.agentScore(prompt)
    if (agent >= agentic) return { value: Math.min(1, 0.6 + agent / 4), because: 'agent work' }
    const { tier, because } = this.#scorer.score(prompt.text)
    embedHashed(prompt.text, this.#vector)
    const lean = dot(this.#vector, this.#complex) - dot(this.#vector, this.#simple)
    const value = tierDifficulty[tier] + Math.max(-0.1, Math.min(0.1, lean))
    return { value, because: `${tier.toLowerCase()}: ${because}` }
  }

  /** RouteIQ's points for tools, tool results, cycles, long instructions, words and long conversations. */
  agentScore({ text, system, shape }: Prompt): number {
    let score = 0
    if (shape.tools > 0) score += 0.35
    if (shape.tools >= 4) score += 0.15
    if (shape.inToolLoop) score += 0.3
    if (system.length > 2000) score += 0.1
    if (shape.turns > 10) score += 0.1
    if (this.#agent.count(text.slice(0, 4000), 1) > 0) score += 0.2
    return Math.min(1, score)
  }
}

function centroid(words: readonly string[]): Float32Array {
  const vector = new Float32Array(hashedDims)
  embedHashed(words.join(' '), vector)
  return vector
}
