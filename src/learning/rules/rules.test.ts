import { describe, expect, it } from 'vitest'
import { promptOf } from '../prompt.ts'
import { ComplexityScorer, defaultComplexity } from './complexity.ts'
import { DifficultyGuess } from './difficulty.ts'
import { IntentMatcher } from './intents.ts'
import { matchRule, type RequestRule } from './request-rules.ts'
import { guessQuality, guessStrengths } from './strength.ts'
import { WordList } from './word-match.ts'

describe('complexity', () => {
  const scorer = new ComplexityScorer()

  it.each([
    ['hi, how are you?', 'SIMPLE'],
    ['What is the capital of France?', 'SIMPLE'],
    ['Write a python function and a unit test for this api endpoint, then refactor it', 'MEDIUM'],
    [
      'Design a distributed database architecture with replication and encryption; write the code, a class and an async api',
      'COMPLEX',
    ],
    ['Think carefully, step by step: prove that the series converges', 'REASONING'],
  ])('%s → %s', (text, tier) => expect(scorer.score(text).tier).toBe(tier))

  it('a word may settle the tier, and words match whole beginnings only', () => {
    const own = new ComplexityScorer({
      ...defaultComplexity,
      wordTiers: [{ words: ['ESCALATE NOW'], tier: 'REASONING' }],
    })
    expect(own.score('hi, escalate now').tier).toBe('REASONING')
    expect(new WordList(['api']).count('a rapid therapist')).toBe(0)
    expect(new WordList(['optimiz', 'c++', 'a.b']).count('optimizing C++ in aXb')).toBe(2)
    expect(new WordList([]).count('anything')).toBe(0)
  })

  it('takes milliseconds, not seconds, for what is made to be slow', () => {
    const started = performance.now()
    for (const text of ['a'.repeat(1e6), '?'.repeat(1e6), 'step '.repeat(2e5), '\u{1f600}'.repeat(1e5), ''])
      scorer.score(text)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

describe('difficulty without an artifact', () => {
  const guess = new DifficultyGuess()

  it('rises from small talk over tasks to agent work', () => {
    const talk = guess.of(promptOf('hello, thanks!')).value
    const task = guess.of(
      promptOf('Write a python function with a regex and debug the exception in the api code'),
    ).value
    const hard = guess.of(promptOf('Prove that the eigenvalue bound holds; derive it step by step')).value
    expect(talk).toBeLessThan(task)
    expect(task).toBeLessThan(hard)
    const prompt = promptOf('go on')
    const agent = guess.of({ ...prompt, shape: { ...prompt.shape, tools: 5, inToolLoop: true } })
    expect(agent.value).toBeGreaterThan(0.6)
    expect(agent.because).toBe('agent work')
  })

  it('strengths follow prices, and what the operator says beats them', () => {
    const strengths = guessStrengths([
      { model: 'gpt-mini', price: 1e-7, quality: undefined },
      { model: 'gpt', price: 1e-6, quality: undefined },
      { model: 'opus', price: 1e-5, quality: undefined },
      { model: 'own', price: 1e-9, quality: 0.97 },
      { model: 'who-knows', price: undefined, quality: undefined },
    ])
    expect(strengths[0]).toBeLessThan(strengths[1]!)
    expect(strengths[1]).toBeLessThan(strengths[2]!)
    expect(strengths[3]).toBe(0.97)
    expect(strengths[4]).toBeGreaterThan(0.2)
    expect(guessQuality(0.9, 0.1)).toBeGreaterThan(guessQuality(0.9, 0.9))
  })
})

describe('intents', () => {
  const matcher = new IntentMatcher([
    {
      name: 'refunds',
      models: ['a'],
      examples: ['I want my money back for this order', 'refund my purchase'],
      threshold: 0.35,
    },
    { name: 'code', models: ['b'], examples: ['fix the bug in my typescript function'], threshold: 0.35 },
  ])

  it('finds the topic by the nearest example, and none where nothing is near', () => {
    expect(matcher.match('please refund this purchase')?.intent.name).toBe('refunds')
    expect(matcher.match('there is a bug in a typescript function of mine')?.intent.name).toBe('code')
    expect(matcher.match('what a lovely morning')).toBeUndefined()
    expect(matcher.match('')).toBeUndefined()
  })
})

describe('rules', () => {
  const rules: RequestRule[] = [
    { name: 'tagged', tags: ['gold'], models: ['a'] },
    { name: 'spoken', pattern: /invoice \d+/iu, userAgents: ['claude-code'], models: ['b'] },
    { name: 'agent', userAgents: ['claude-code'], models: ['c'] },
  ]
  const asked = (tags: string[], userAgent: string, text = ''): string | undefined =>
    matchRule(rules, { tags, userAgent, text: () => text })?.name

  it('need all they name, and the first that matches decides', () => {
    expect(asked(['gold'], 'Claude-Code/1')).toBe('tagged')
    expect(asked([], 'Claude-Code/1', 'see Invoice 12')).toBe('spoken')
    expect(asked([], 'Claude-Code/1', 'see it')).toBe('agent')
    expect(asked(['silver'], 'curl', 'invoice 12')).toBeUndefined()
  })

  it('does not read the prompt where no rule asks for it', () => {
    const refuse = (): string => {
      throw new Error('read')
    }
    expect(matchRule([rules[0]!], { tags: [], userAgent: '', text: refuse })).toBeUndefined()
  })
})
