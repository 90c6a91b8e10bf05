import { expect, it } from 'vitest'
import { familyOf } from './model-family.ts'

it.each([
  ['gpt-4o', undefined, 'standard', false],
  ['gpt-5', undefined, 'gpt5', false],
  ['gpt-5-mini-2025-08-07', undefined, 'gpt5', false],
  ['gpt-5-chat-latest', undefined, 'standard', false],
  ['gpt-5.1', undefined, 'gpt5', true],
  ['gpt-5.2-chat-latest', undefined, 'gpt5', true],
  ['gpt-5.1-codex', undefined, 'gpt5', false],
  ['gpt-5-search-api', undefined, 'gpt5-search', false],
  ['gpt-50', undefined, 'standard', false],
  ['o1', undefined, 'o-series', false],
  ['o3-mini', undefined, 'o-series', false],
  ['o4-mini-2025-04-16', undefined, 'o-series', false],
  ['ft:o4-mini:org', undefined, 'o-series', false],
  ['olmo', undefined, 'standard', false],
  ['o1lama', undefined, 'standard', false],
  ['gpt5_series/prod', undefined, 'gpt5', false],
  ['o_series/prod', undefined, 'o-series', false],
  ['prod', 'azure/gpt-5.1', 'gpt5', true],
  ['prod', 'azure/o3', 'o-series', false],
])('%s (base %s) is %s', (model, base, kind, acceptsNone) => {
  expect(familyOf(model, base, {})).toMatchObject({ kind, acceptsNone })
})

it('believes the price map about effort words', () => {
  expect(familyOf('gpt-5', undefined, { efforts: ['none'] }).acceptsNone).toBe(true)
  expect(familyOf('gpt-5.1', undefined, { effortLevels: ['low', 'high'] }).acceptsNone).toBe(false)
})
