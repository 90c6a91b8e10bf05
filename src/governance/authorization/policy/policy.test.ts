import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileAccess, compilePolicies } from './access-settings.ts'
import { AddressList } from './address-list.ts'
import type { AccessQuestion } from './conditions.ts'
import { nameList, namePattern } from './pattern.ts'
import { question, someone } from './policy.fixtures.ts'
import type { Policy, PolicyConditions } from './policy.ts'
import { compilePolicy, decide, explain, holds } from './policy-set.ts'
import { timeWindows } from './times.ts'

const policies = (...written: Omit<Policy, 'name'>[]) =>
  compilePolicies(
    written.map((policy, index) => ({ name: `p${index}`, ...policy })),
    'config',
    index => `policies[${index}]`,
  )
const verdict = (
  conditions: PolicyConditions,
  asked: Partial<AccessQuestion> = {},
  effect: 'allow' | 'deny' = 'deny',
) => holds(compilePolicy({ name: 'p', effect, ...conditions }, 'config'), question(asked))

describe('names with *', () => {
  it.each([
    ['gpt-4*', 'gpt-4o', true],
    ['gpt-4*', 'gpt-3', false],
    ['*-mini', 'gpt-4o-mini', true],
    ['*-mini', 'gpt-4o-mini-x', false],
    ['a*c', 'ac', true],
    ['a*c', 'a', false],
    ['aa*aa', 'aaa', false],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['a*bc*c', 'abc', false],
    ['*', '', true],
    ['a.c', 'abc', false],
    ['GPT', 'gpt', false],
  ])('%s, %s: %s', (pattern, name, expected) => {
    expect(namePattern(pattern)(name)).toBe(expected)
    expect(nameList([pattern, 'other'])(name)).toBe(expected)
  })

  it('mean what a pattern over the whole text means', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 })
    const names = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 })
    fc.assert(
      fc.property(letters, names, (pattern, name) => {
        const literal = (text: string) => text.replaceAll('.', '\\.')
        const expected = new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`).test(name)
        expect(namePattern(pattern)(name)).toBe(expected)
      }),
    )
  })
})

describe('conditions', () => {
  it.each<[PolicyConditions, Partial<AccessQuestion>, boolean]>([
    [{ roles: ['internal_user'] }, {}, true],
    [{ roles: ['proxy_admin'] }, {}, false],
    [{ users: ['a*'] }, {}, true],
    [{ users: ['*'] }, { principal: someone({ userId: undefined }) }, false],
    [{ teams: ['red'] }, { principal: someone({ teamId: 'red' }) }, true],
    [{ teams: ['red'] }, { principal: someone({ memberOfTeams: new Map([['red', []]]) }) }, true],
    [{ teams: ['red'] }, { principal: someone({ teamId: 'blue', memberOfTeams: new Map([['red', []]]) }) }, false],
    [{ organizations: ['o'] }, { principal: someone({ organizationId: 'o' }) }, true],
    [{ organizations: ['o'] }, {}, false],
    [{ keys: ['ci-*'] }, { principal: someone({ keyAlias: 'ci-1' }) }, true],
    [{ keys: ['a'.repeat(64)] }, {}, true],
    [{ keys: ['a'.repeat(16)] }, {}, false],
    [{ proofs: ['jwt'] }, {}, false],
    [{ routes: ['openai_routes'] }, {}, true],
    [{ routes: ['/v1/*'] }, {}, true],
    [{ routes: ['/key/*'] }, {}, false],
    [{ addresses: ['10.0.0.0/8'] }, {}, true],
    [{ addresses: ['10.0.0.0/8'] }, { address: '::ffff:10.9.9.9' }, true],
    [{ addresses: ['10.0.0.0/8'] }, { address: '11.0.0.1' }, false],
    [{ addresses: ['10.0.0.0/8'] }, { address: 'nonsense' }, false],
    [{ models: ['gpt-4*'] }, {}, true],
    [{ models: ['gpt-4*'] }, { call: { models: ['alias', 'gpt-4o'], tools: [], tags: [] } }, true],
    [{ models: ['*'] }, { call: 'none' }, false],
    [{ tags: ['x'] }, { call: { models: [], tools: [], tags: ['y', 'x'] } }, true],
    [{ roles: ['internal_user'], models: ['claude'] }, {}, false],
    [{ times: [{ days: ['wed'], from: '10:00', to: '11:00' }] }, {}, true],
    [{ times: [{ days: ['thu'] }] }, {}, false],
  ])('%j, %j: %s', (conditions, asked, expected) => {
    expect(verdict(conditions, asked)).toBe(expected)
  })

  it('a deny holds for one tool of its list, an allow only when all are', () => {
    const call = { models: ['m'], tools: ['search', 'shell'], tags: [] }
    expect(verdict({ tools: ['shell'] }, { call }, 'deny')).toBe(true)
    expect(verdict({ tools: ['search'] }, { call }, 'allow')).toBe(false)
    expect(verdict({ tools: ['s*'] }, { call }, 'allow')).toBe(true)
    expect(verdict({ tools: ['*'] }, { call: { ...call, tools: [] } }, 'allow')).toBe(false)
    const unless = compilePolicy({ name: 'p', effect: 'deny', unless: { tools: ['search'] } }, 'config')
    expect(holds(unless, question({ call }))).toBe(true)
    expect(holds(unless, question({ call: { ...call, tools: ['search'] } }))).toBe(false)
  })

  it('allow a virtual name by itself or when all it may choose is named, and deny it when one is', () => {
    const call = { models: ['auto'], choices: ['small', 'large'], tools: [], tags: [] }
    const verdict = (effect: 'allow' | 'deny', models: string[]) =>
      holds(compilePolicy({ name: 'p', effect, models }, 'config'), question({ call }))
    expect(verdict('deny', ['small'])).toBe(true)
    expect(verdict('deny', ['other'])).toBe(false)
    expect(verdict('allow', ['small'])).toBe(false)
    expect(verdict('allow', ['small', 'large'])).toBe(true)
    expect(verdict('allow', ['auto'])).toBe(true)
    const unless = compilePolicy({ name: 'p', effect: 'deny', unless: { models: ['small'] } }, 'config')
    expect(holds(unless, question({ call })), 'not excepted: large may be chosen').toBe(true)
  })

  it('that need the body are not known before it is read, unless another one decides', () => {
    const ahead = { call: 'ahead' as const }
    expect(verdict({ models: ['gpt-4o'] }, ahead)).toBeUndefined()
    expect(verdict({ models: ['gpt-4o'], roles: ['team'] }, ahead)).toBe(false)
    const excepted = (unless: PolicyConditions) =>
      holds(compilePolicy({ name: 'p', effect: 'deny', unless }, 'config'), question(ahead))
    expect(excepted({ models: ['x'] })).toBeUndefined()
    expect(excepted({ models: ['x'], roles: ['team'] })).toBe(true)
    expect(excepted({ roles: ['internal_user'] })).toBe(false)
  })

  it.each<[PolicyConditions & { unless?: PolicyConditions }, string]>([
    [{ roles: ['boss'] }, 'roles'],
    [{ proofs: ['magic'] }, 'proofs'],
    [{ users: [] }, 'users'],
    [{ addresses: ['10.1'] }, 'addresses[0]'],
    [{ addresses: ['1.2.3.4', '10.0.0.0/99'] }, 'addresses[1]'],
    [{ addresses: ['0x7f000001'] }, 'addresses[0]'],
    [{ times: [] }, 'times'],
    [{ times: [{ from: '25:00' }] }, 'times[0].from'],
    [{ times: [{ from: '10:00', to: '10:00' }] }, 'times[0]'],
    [{ times: [{ days: ['someday'] }] }, 'times[0].days'],
    [{ times: [{ time_zone: 'Mars/Base' }] }, 'times[0].time_zone'],
    [{ unless: { roles: [] } }, 'unless.roles'],
  ])('that cannot be meant are refused by name: %j', (conditions, param) => {
    expect(() => policies({ effect: 'deny', ...conditions })).toThrow(`'policies[0].${param}'`)
  })
})

describe('a route that calls no model', () => {
  it('is not the business of a policy about models, tools or tags, be they its exception', () => {
    const set = policies(
      { effect: 'deny', unless: { models: ['*-mini'] } },
      { effect: 'deny', unless: { tags: ['x'] }, users: ['ann'] },
    )
    expect(decide(set, question({ call: 'none' })).effect).toBe('allow')
    expect(decide(set, question()).policy?.name).toBe('p0')
    expect(explain(set, question({ call: 'none' }))[0]).toMatchObject({ holds: false, because: ['no call to a model'] })
  })
})

describe('order', () => {
  it('the first that holds decides; none: allowed', () => {
    const set = policies(
      { effect: 'allow', users: ['ann'] },
      { effect: 'deny', models: ['gpt*'] },
      { effect: 'deny', users: ['ann'] },
    )
    expect(decide(set, question())).toMatchObject({ effect: 'allow', policy: { name: 'p0' } })
    const bob = { principal: someone({ userId: 'bob' }) }
    expect(decide(set, question(bob))).toMatchObject({ effect: 'deny', policy: { name: 'p1' } })
    expect(decide(set, question({ ...bob, call: { models: ['claude'], tools: [], tags: [] } }))).toEqual({
      effect: 'allow',
      policy: undefined,
      dryRuns: [],
    })
    expect(decide(set, question({ ...bob, call: 'ahead' })).effect).toBe('undecided')
  })

  it('a dry run is told and decides nothing; what is not enabled is not there', () => {
    const set = policies(
      { effect: 'deny', dry_run: true },
      { effect: 'deny', enabled: false },
      { effect: 'allow', users: ['ann'] },
      { effect: 'deny', dry_run: true },
    )
    const { effect, dryRuns } = decide(set, question())
    expect([effect, dryRuns.map(({ name }) => name)]).toEqual(['allow', ['p0']])
  })

  it('what is decided before the body is read is what would be decided with it', () => {
    const condition = fc.record(
      {
        roles: fc.constantFrom(['internal_user'], ['team']),
        users: fc.constantFrom(['ann'], ['bob']),
        models: fc.constantFrom(['gpt*'], ['claude']),
        tools: fc.constantFrom(['a'], ['b', 'a']),
        tags: fc.constantFrom(['x'], ['y']),
      },
      { requiredKeys: [] },
    )
    const policy = fc.record(
      { effect: fc.constantFrom('allow' as const, 'deny' as const), unless: condition, when: condition },
      { requiredKeys: ['effect', 'when'] },
    )
    const call = fc.record({
      models: fc.constantFrom(['gpt-4'], ['claude'], ['other']),
      tools: fc.constantFrom([], ['a'], ['b'], ['a', 'c']),
      tags: fc.constantFrom([], ['x'], ['x', 'y']),
    })
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 5 }), call, (written, facts) => {
        const set = policies(...written.map(({ when, ...rest }) => ({ ...rest, ...when })))
        const early = decide(set, question({ call: 'ahead' }))
        const late = decide(set, question({ call: facts }))
        if (early.effect !== 'undecided') expect(early).toEqual(late)
      }),
      { numRuns: 500 },
    )
  })

  it('explains which condition did not hold', () => {
    const set = policies(
      { effect: 'deny', users: ['bob'], models: ['gpt*'] },
      { effect: 'deny', unless: { addresses: ['10.0.0.0/8'] } },
      { effect: 'allow', routes: ['llm_api_routes'] },
    )
    expect(explain(set, question()).map(({ holds: held, because }) => [held, because])).toEqual([
      [false, ['users']],
      [false, ['unless']],
      [true, []],
    ])
  })
})

describe('time windows', () => {
  const at = (window: object, moment: string) => timeWindows([window], 'times')(Date.parse(moment))
  it.each([
    [{ from: '08:00', to: '18:00' }, '2026-03-04T08:00:00Z', true],
    [{ from: '08:00', to: '18:00' }, '2026-03-04T18:00:00Z', false],
    [{ from: '08:00', to: '24:00' }, '2026-03-04T23:59:59Z', true],
    [{ from: '22:00', to: '06:00' }, '2026-03-04T23:00:00Z', true],
    [{ from: '22:00', to: '06:00' }, '2026-03-04T05:59:00Z', true],
    [{ from: '22:00', to: '06:00' }, '2026-03-04T06:00:00Z', false],
    // A Friday night ends on Saturday morning; Friday morning belongs to Thursday's.
    [{ days: ['fri'], from: '22:00', to: '06:00' }, '2026-03-07T05:00:00Z', true],
    [{ days: ['fri'], from: '22:00', to: '06:00' }, '2026-03-06T05:00:00Z', false],
    [{ days: ['sun'], from: '22:00', to: '06:00' }, '2026-03-09T05:00:00Z', true],
    // Berlin is an hour ahead in winter, two in summer.
    [{ from: '08:00', to: '09:00', time_zone: 'Europe/Berlin' }, '2026-01-15T07:30:00Z', true],
    [{ from: '08:00', to: '09:00', time_zone: 'Europe/Berlin' }, '2026-07-15T07:30:00Z', false],
    [{ from: '08:00', to: '09:00', time_zone: 'Europe/Berlin' }, '2026-07-15T06:30:00Z', true],
    [{ days: ['mon'], time_zone: 'Pacific/Auckland' }, '2026-03-08T12:00:00Z', true],
    [{ days: ['mon', 'Tuesday'] }, '2026-03-10T12:00:00Z', true],
  ])('%j at %s: %s', (window, moment, expected) => {
    expect(at(window, moment)).toBe(expected)
  })
})

describe('settings', () => {
  const nothing = { policies: [], allowedIps: undefined, allowedRoutes: [], adminOnlyRoutes: [], publicRoutes: [] }
  it('an empty list of addresses would shut everybody out: refused', () => {
    expect(() => compileAccess({ ...nothing, allowedIps: [] })).toThrow('allowed_ips')
  })
  it('names are unique', () => {
    const twice: Policy[] = [1, 2].map(() => ({ name: 'same', effect: 'deny' }))
    expect(() => compileAccess({ ...nothing, policies: twice })).toThrow('is taken')
  })
  it('addresses are compared as numbers, in either family', () => {
    const list = new AddressList(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'], 'ips')
    expect(['10.255.0.1', '2001:db8::1', '192.0.2.7', '::ffff:192.0.2.7'].map(ip => list.includes(ip))).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(['11.0.0.1', '2001:db9::1', '192.0.2.8', '', '10'].map(ip => list.includes(ip))).toEqual([
      false,
      false,
      false,
      false,
      false,
    ])
  })
})
