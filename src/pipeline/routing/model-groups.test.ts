import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelIndex, type ModelIndexOptions } from './model-groups.ts'
import { deployment } from './routing.fixtures.ts'
import { compileWildcard, matchWildcard } from './wildcard.ts'

function index(groups: readonly string[], options: Partial<ModelIndexOptions> = {}) {
  const made: string[] = []
  const subject = new ModelIndex(
    groups.map((group, i) => deployment(`id-${i}`, { group })),
    {
      specialise: (d, requested, captured) => {
        made.push(requested)
        return { ...d, target: { ...d.target, model: captured.join('|') } }
      },
      ...options,
    },
  )
  return { subject, made, resolve: (name: string) => subject.resolve(name) }
}

describe('resolve', () => {
  test('group, then deployment id, which skips load balancing', () => {
    const { resolve } = index(['gpt', 'gpt', 'other'])
    expect(resolve('gpt')?.deployments.map(({ id }) => id)).toEqual(['id-0', 'id-1'])
    expect(resolve('gpt')?.direct).toBeUndefined()
    expect(resolve('id-1')).toMatchObject({ name: 'gpt', direct: true, deployments: [{ id: 'id-1' }] })
    expect(resolve('nothing')).toBeUndefined()
    expect(resolve('')).toBeUndefined()
    expect(resolve('__proto__')).toBeUndefined()
    expect(resolve('gpt')).toBe(resolve('gpt'))
  })

  test('aliases come before groups: model_alias_map, then model_group_alias', () => {
    const { resolve } = index(['gpt', 'other', 'third'], {
      aliasMap: { short: 'gpt' },
      groupAliases: { gpt: 'other', nice: { model: 'third', hidden: true } },
    })
    expect(resolve('gpt')?.name).toBe('other')
    expect(resolve('short')?.name).toBe('other')
    expect(resolve('nice')?.name).toBe('third')
  })

  test('aliases of aliases, of ids and of wildcard names', () => {
    const { resolve } = index(['gpt', 'openai/*'], {
      groupAliases: { a: 'b', b: 'c', c: 'gpt', mini: 'openai/gpt-5-mini', one: 'id-0' },
    })
    expect(resolve('a')?.name).toBe('gpt')
    expect(resolve('one')?.direct).toBe(true)
    expect(resolve('mini')?.deployments[0]?.target.model).toBe('gpt-5-mini')
  })

  test('two groups may trade names; a circle that reaches no group is refused by name', () => {
    const { resolve } = index(['x', 'y'], { groupAliases: { x: 'y', y: 'x', self: 'self' } })
    expect(resolve('x')?.name).toBe('y')
    expect(resolve('y')?.name).toBe('x')
    expect(resolve('self')).toBeUndefined()
    expect(() => index(['x'], { groupAliases: { a: 'b', b: 'c', c: 'b' } })).toThrow(/b → c → b/)
  })

  test('the most specific wildcard wins: the longer pattern, then more literal characters', () => {
    const { resolve } = index(['*', 'openai/*', 'openai/gpt-4*', 'bedrock/*claude*', 'bedrock/*a*cla*'])
    const pattern = (name: string) => resolve(name)?.pattern
    expect(pattern('openai/gpt-4o')).toBe('openai/gpt-4*')
    expect(pattern('openai/gpt-4')).toBe('openai/gpt-4*')
    expect(pattern('openai/o3')).toBe('openai/*')
    expect(pattern('bedrock/us.anthropic.claude-x')).toBe('bedrock/*claude*')
    expect(pattern('whatever')).toBe('*')
    expect(pattern('openai/')).toBe('*')
    expect(resolve('openai/gpt-4o')).toMatchObject({ name: 'openai/gpt-4o', deployments: [{ target: { model: 'o' } }] })
    expect(resolve('bedrock/us.claude-4')?.deployments[0]?.target.model).toBe('us.|-4')
  })

  test('length comes before literal characters, as in LiteLLM', () => {
    expect(index(['x/abc*', 'x/*a*c*']).resolve('x/abc')?.pattern).toBe('x/*a*c*')
    expect(index(['x/*c*', 'x/abc']).resolve('x/abcd')?.pattern).toBe('x/*c*')
    expect(index(['x/*b*', 'x/ab*']).resolve('x/ab')?.pattern).toBe('x/ab*')
  })

  test('an exact group beats a wildcard; all deployments of a pattern share the calls', () => {
    const { resolve } = index(['openai/*', 'openai/*', 'openai/o3'])
    expect(resolve('openai/o3')?.pattern).toBeUndefined()
    expect(resolve('openai/x')?.deployments).toHaveLength(2)
    expect(resolve('id-0')).toBeUndefined()
  })

  test('wildcard matches are cached, the least recently used leaves, absurd names never match', () => {
    const { resolve, made } = index(['m/*'], { maxCached: 2 })
    const a = resolve('m/a')
    resolve('m/b')
    expect(resolve('m/a')).toBe(a)
    resolve('m/c')
    expect(resolve('m/a')).toBe(a)
    resolve('m/b')
    expect(made).toEqual(['m/a', 'm/b', 'm/c', 'm/b'])
    expect(resolve(`m/${'x'.repeat(600)}`)).toBeUndefined()
  })
})

test('public names: groups and shown aliases in config order, no patterns, no hidden ones', () => {
  const { subject } = index(['b', 'a', 'a', 'openai/*'], {
    aliasMap: { old: 'a' },
    groupAliases: { shown: 'a', secret: { model: 'a', hidden: true }, also: { model: 'b', hidden: false } },
  })
  expect(subject.publicNames()).toEqual(['b', 'a', 'shown', 'also', 'old'])
  expect(subject.patterns()).toEqual(['openai/*'])
})

test('an entry written twice counts once; one id for two upstreams is refused', () => {
  const twice = new ModelIndex([deployment('x'), deployment('x')], { specialise: d => d })
  expect(twice.resolve('group')?.deployments).toHaveLength(1)
  expect(() => new ModelIndex([deployment('x'), deployment('x', { group: 'other' })], { specialise: d => d })).toThrow(
    /same id 'x'/,
  )
})

test('matching agrees with the regular expression it stands for', () => {
  const text = fc.array(fc.constantFrom('a', 'b', '/', '.'), { maxLength: 8 }).map(all => all.join(''))
  const pattern = fc
    .array(fc.constantFrom('a', 'b', '/', '.', '*'), { minLength: 1, maxLength: 6 })
    .map(all => all.join(''))
    .filter(p => p.includes('*') && !p.endsWith('/*'))
  fc.assert(
    fc.property(pattern, text, (p, name) => {
      const source = p.replaceAll('.', '\\.').replaceAll('/', '\\/').replaceAll('*', '(.*)')
      const captured = matchWildcard(compileWildcard(p), name)
      expect(captured !== undefined).toBe(new RegExp(`^${source}$`).test(name))
      if (captured === undefined) return
      let next = 0
      expect(p.replaceAll('*', () => captured[next++] ?? '')).toBe(name)
    }),
    { numRuns: 2000 },
  )
})
