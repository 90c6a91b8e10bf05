import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainShape, promptOf } from '../prompt.ts'
import { fitFeatures } from '../training/fit-features.ts'
import { everyKind, promptOfKind } from '../training/synthetic.fixtures.ts'
import { createFeaturizer } from './featurizer.ts'

const prompts = Array.from({ length: 120 }, (_, index) => promptOf(promptOfKind(everyKind[index % 3]!, index)))
const spec = fitFeatures(prompts, { components: 12, columnWeight: 0.25 }, 1)
const featurizer = createFeaturizer(spec)

function vector(text: string): Float32Array {
  const into = new Float32Array(featurizer.dims)
  featurizer.features(promptOf(text), into)
  return into
}

const length = (values: Float32Array): number => Math.hypot(...values)
const distance = (a: Float32Array, b: Float32Array): number => Math.hypot(...a.map((value, at) => value - b[at]!))

describe('the vector of a prompt', () => {
  it('has words of length 1, then columns that are bounded', () => {
    for (const { text } of prompts) expect(length(vector(text).subarray(0, 12))).toBeCloseTo(1, 5)
    fc.assert(
      fc.property(fc.uint16Array({ maxLength: 100 }), codes => {
        const text = String.fromCharCode(...codes)
        const values = vector(text)
        expect(values.every(Number.isFinite)).toBe(true)
        expect(length(values.subarray(0, 12))).toBeLessThan(1.001)
        expect(Math.max(...values.subarray(12).map(Math.abs))).toBeLessThanOrEqual(0.7501)
      }),
    )
  })

  it('is near those of its kind', () => {
    const [algebra, more, story] = [
      promptOfKind('mathematics', 900),
      promptOfKind('mathematics', 901),
      promptOfKind('talk', 900),
    ]
    expect(distance(vector(algebra), vector(more))).toBeLessThan(distance(vector(algebra), vector(story)))
  })

  it('leaves out columns that never vary in training', () => {
    // No prompt here has a system prompt, tools, images, another script, …
    expect(featurizer.dims).toBeLessThan(12 + 24)
    expect(spec.columns.length).toBeGreaterThan(5)
    const tooled = fitFeatures(
      prompts.map((prompt, index) => ({ ...prompt, shape: { ...plainShape, tools: index % 3 } })),
      { components: 12, columnWeight: 0.25 },
      1,
    )
    expect(tooled.columns.length).toBe(spec.columns.length + 1)
  })

  it('reads the head and the tail of a long prompt, and no more', () => {
    const head = 'Compute the integral of numbers. '.repeat(20)
    const tail = ' Solve the equation of matrices.'.repeat(60)
    const filling = (word: string): string => head + `${word} `.repeat(100_000 / (word.length + 1)) + tail
    const one = filling('winter')
    const other = filling('garden')
    expect(one.length).toBe(other.length)
    expect(vector(one)).toEqual(vector(other))
    expect(vector(one)).not.toEqual(vector(`Write a poem.${one.slice(13)}`))
    expect(vector(one)).not.toEqual(vector(`${one.slice(0, -13)}Write a poem.`))
  })

  it('is not bought by repeating a word', () => {
    const text = promptOfKind('mathematics', 903)
    const few = vector(`${text}${' poem'.repeat(8)}`).subarray(0, 12)
    const many = vector(`${text}${' poem'.repeat(150)}`).subarray(0, 12)
    expect(distance(few, many)).toBeLessThan(0.05)
  })

  it('of no words is its columns only', () => {
    expect(length(vector('').subarray(0, 12))).toBe(0)
    expect(length(vector('').subarray(12))).toBeGreaterThan(0)
  })

  it('does not mind what a request does not say', () => {
    const varied = prompts.map((prompt, index) => ({
      ...prompt,
      shape: { ...plainShape, temperature: index % 2, maxOutputTokens: index % 2 === 0 ? undefined : 100 * index },
    }))
    const { features, dims } = createFeaturizer(fitFeatures(varied, { components: 12, columnWeight: 0.25 }, 1))
    const into = new Float32Array(dims)
    features(prompts[0]!, into)
    expect(into.every(Number.isFinite)).toBe(true)
    // The average request.
    expect(into.at(-1)).toBe(0)
    expect(into.at(-2)).toBe(0)
  })

  it('has an id of all that it depends on', () => {
    expect(createFeaturizer(fitFeatures(prompts, { components: 12, columnWeight: 0.25 }, 1)).id).toBe(featurizer.id)
    expect(createFeaturizer({ ...spec, columnWeight: 0.26 }).id).not.toBe(featurizer.id)
    const idf = Uint16Array.from(spec.idf)
    idf[3] = idf[3]! + 1
    expect(createFeaturizer({ ...spec, idf }).id).not.toBe(featurizer.id)
  })
})
