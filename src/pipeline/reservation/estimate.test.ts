import { describe, expect, it } from 'vitest'
import { freeOfCharge } from '../../providers/model-price.ts'
import { deployment } from '../routing/routing.fixtures.ts'
import { type Estimated, estimate } from './estimate.ts'
import { factsOf } from './group-facts.ts'
import { enforcement, groupOf, priced } from './reservation.fixtures.ts'

const request = (json: object, changes: Partial<Estimated> = {}): Estimated => ({
  json: { ...json },
  text: 'x'.repeat(400),
  operation: 'chat',
  bodyBytes: undefined,
  ...changes,
})
const facts = factsOf(groupOf('m', { price: priced }))
const large = factsOf(groupOf('l', { price: priced, capabilities: { maxOutputTokens: 16_000, maxInputTokens: 50 } }))

describe('estimate', () => {
  it.each([
    [{ max_tokens: 100 }, 100, 1_100_000],
    [{ max_completion_tokens: 100, max_tokens: 7 }, 100, 1_100_000],
    [{ max_tokens: 100, n: 3 }, 300, 3_100_000],
    [{}, 1024, 10_340_000],
    [{ max_tokens: 'many' }, 1024, 10_340_000],
  ])('%j', (json, outputTokens, cost) => {
    expect(estimate(request(json), facts, enforcement())).toEqual({
      inputTokens: 100,
      outputTokens,
      cost,
      unpriced: false,
    })
  })

  it('without a stated maximum: the longest answer for money, a usual one for rates', () => {
    expect(estimate(request({}), large, enforcement())).toMatchObject({
      inputTokens: 50,
      outputTokens: 1024,
      cost: 50 * 1000 + 16_000 * 10_000,
    })
  })

  it('letters beyond ASCII are worth more, as the bytes tell', () => {
    const han = request({ max_tokens: 1 }, { text: '中'.repeat(400), bodyBytes: 1200 })
    expect(estimate(han, facts, enforcement()).inputTokens).toBe(400)
  })

  it('embeddings have no output, and counting tokens uses none', () => {
    expect(estimate(request({}, { operation: 'embeddings' }), facts, enforcement())).toMatchObject({
      outputTokens: 0,
      cost: 100_000,
    })
    expect(estimate(request({}, { operation: 'count_tokens' }), facts, enforcement())).toEqual({
      inputTokens: 0,
      outputTokens: 0,
      cost: 0,
      unpriced: false,
    })
  })

  it('the dearest deployment of a group counts; an unknown price is said to be unknown', () => {
    const dear = { ...priced, request: 1_000_000_000 }
    const mixed = { name: 'x', deployments: [deployment('1', { price: priced }), deployment('2', { price: dear })] }
    expect(estimate(request({ max_tokens: 100 }), factsOf(mixed), enforcement()).cost).toBe(2_100_000)
    const unknown = factsOf(groupOf('u', {}))
    expect(estimate(request({}), unknown, enforcement())).toMatchObject({ cost: 1, unpriced: true })
    const half = { name: 'h', deployments: [deployment('1', { price: priced }), deployment('2')] }
    expect(estimate(request({ max_tokens: 100 }), factsOf(half), enforcement())).toMatchObject({ cost: 1_100_000 })
    expect(factsOf(half)).toMatchObject({ unpriced: true, free: false })
    expect(factsOf(groupOf('f', { price: freeOfCharge }))).toMatchObject({ free: true, unpriced: false })
    expect(factsOf(groupOf('s', { price: { ...freeOfCharge, second: 1 } }))).toMatchObject({ free: false })
  })
})

it('a group takes together what its deployments take', () => {
  const group = {
    name: 'g',
    deployments: [deployment('1', { rpm: 3 }), deployment('2', { rpm: 4, tpm: 100 }), deployment('3')],
  }
  expect(factsOf(group)).toMatchObject({ rpm: 7, tpm: 100, names: ['openai/model'] })
  expect(factsOf(group)).toBe(factsOf(group))
})
