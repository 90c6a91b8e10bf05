import { describe, expect, it } from 'vitest'
import type { ChatRequest } from '../openai/types.ts'
import { modelFamily } from './model-family.ts'
import { thinkingConfig } from './reasoning.ts'
import { type RequestOptions, UnsupportedParams } from './request-options.ts'

function thinking(model: string, request: Partial<ChatRequest>, overrides: Partial<RequestOptions> = {}) {
  const options: RequestOptions = {
    family: modelFamily(model),
    dropParams: false,
    allowedParams: [],
    modifyParams: false,
    systemMessages: true,
    responseSchema: true,
    reasoning: undefined,
    efforts: [],
    ...overrides,
  }
  return thinkingConfig({ model, messages: [], ...request }, options, new UnsupportedParams(options))
}

const on = (budget: number) => ({ thinkingBudget: budget, includeThoughts: true })
const level = (name: string, shown = true) => ({ thinkingLevel: name, includeThoughts: shown })

describe('thinkingConfig', () => {
  it.each([
    ['gemini-2.5-flash', 'none', { thinkingBudget: 0, includeThoughts: false }],
    ['gemini-2.5-flash', 'minimal', on(1)],
    ['gemini-2.5-flash-lite', 'minimal', on(512)],
    ['gemini-2.5-pro', 'minimal', on(128)],
    ['gemini-2.5-pro', 'low', on(1024)],
    ['gemini-2.5-pro', 'high', on(4096)],
    ['gemini-3-pro-preview', 'none', level('LOW', false)],
    ['gemini-3-pro-preview', 'minimal', level('LOW')],
    ['gemini-3-pro-preview', 'medium', level('HIGH')],
    ['gemini-3.1-pro-preview', 'medium', level('MEDIUM')],
    ['gemini-3-flash-preview', 'none', level('MINIMAL', false)],
    ['gemini-3-flash-preview', 'medium', level('MEDIUM')],
    // A rolling alias may stand for either generation: budgets are accepted by both.
    ['gemini-flash-latest', 'low', on(1024)],
  ])('%s with effort %s', (model, reasoning_effort, expected) => {
    expect(thinking(model, { reasoning_effort })).toEqual(expected)
  })

  it('never sends budget and level together', () => {
    for (const model of ['gemini-2.5-pro', 'gemini-3-pro-preview', 'gemini-pro-latest']) {
      for (const budget of [undefined, 0, 1, 1024, 2048, 99999]) {
        const config = thinking(model, {
          thinking: { type: 'enabled', budget_tokens: budget },
          reasoning_effort: 'low',
        })
        expect(config && 'thinkingBudget' in config && 'thinkingLevel' in config).toBe(false)
      }
    }
  })

  it('takes budgets as they are on 2.5, and as the level they reach on 3', () => {
    const request = { thinking: { type: 'enabled' as const, budget_tokens: 1500 } }
    expect(thinking('gemini-2.5-flash', request)).toEqual(on(1500))
    expect(thinking('gemini-3-flash', request)).toEqual(level('LOW'))
    expect(thinking('gemini-2.5-flash', { thinking: { type: 'adaptive' } })).toEqual(on(-1))
    expect(thinking('gemini-3-flash', { thinking: { type: 'adaptive' } })).toEqual({ includeThoughts: true })
    expect(thinking('gemini-2.5-flash', { thinking: { type: 'disabled' } })).toEqual({
      thinkingBudget: 0,
      includeThoughts: false,
    })
  })

  it('refuses what the model does not know, and only that', () => {
    expect(() => thinking('gemini-2.0-flash', { reasoning_effort: 'high' })).toThrow(/does not think/)
    expect(thinking('gemini-2.0-flash', { reasoning_effort: 'none' })).toBeUndefined()
    expect(thinking('gemini-2.0-flash', { reasoning_effort: 'high' }, { dropParams: true })).toBeUndefined()
    expect(() => thinking('gemini-2.5-pro', { reasoning_effort: 'xhigh' })).toThrow(/xhigh/)
    expect(thinking('gemini-2.5-pro', { reasoning_effort: 'xhigh' }, { efforts: ['xhigh'] })).toEqual(on(24576))
    expect(thinking('gemini-2.5-pro', { reasoning_effort: 'default' })).toBeUndefined()
    expect(thinking('gemini-2.5-pro', {})).toBeUndefined()
  })
})
