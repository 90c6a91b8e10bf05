import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matches, parseFilter, requiredEquality } from './filter.ts'
import { applyPatch } from './patch.ts'
import { readQuery, shaped } from './query.ts'
import { ScimError } from './scim-error.ts'

const resource = {
  userName: 'Alice@X.com',
  active: true,
  title: '',
  loginCount: 7,
  name: { givenName: 'Alice', familyName: "O'Neil" },
  emails: [
    { value: 'a@x.com', type: 'work', primary: true },
    { value: 'a@home.org', type: 'home' },
  ],
  meta: { lastModified: '2026-03-01T12:00:00.000Z' },
}
const meets = (filter: string): boolean => matches(parseFilter(filter), resource)

describe('a filter', () => {
  it.each([
    'userName eq "alice@x.COM"',
    'USERNAME EQ "alice@x.com"',
    'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "alice"',
    'name.familyName co "o\'neil"',
    'userName ew "x.com" and active eq true',
    'active eq "True"',
    'title pr or userName pr',
    'not (title pr)',
    'not(active eq false)',
    'emails[type eq "work" and value co "@x.com"]',
    'emails.type eq "home"',
    'emails eq "a@home.org"',
    'emails.value eq "A@HOME.org"',
    'meta.lastModified gt "2026-01-01T00:00:00Z"',
    'loginCount ge 7 and loginCount le 7',
    'nothing ne "x"',
    'userName eq "x" or userName eq "y" or active eq true',
    'active eq true or active eq false and userName eq "nobody"',
    '(active eq true or active eq false) and userName sw "a"',
    'userName eq "al\\u0069ce@x.com"',
  ])('%s holds', filter => {
    expect(meets(filter)).toBe(true)
  })

  it.each([
    'userName eq "bob"',
    'active eq false',
    'title pr',
    'nothing pr',
    'emails[type eq "work" and value co "home"]',
    '(active eq true or active eq false) and userName eq "nobody"',
    'loginCount gt 7',
    'userName ne "alice@x.com"',
    'loginCount eq "7"',
    'toString pr',
  ])('%s does not hold', filter => {
    expect(meets(filter)).toBe(false)
  })

  it.each([
    '',
    'userName',
    'userName eq',
    'userName eq alice',
    'userName like "x"',
    'userName eq "x',
    'userName eq "x" and',
    'userName eq "x" userName eq "y"',
    '(userName eq "x"',
    'userName eq "x")',
    'emails[type eq "work"',
    'not userName eq "x"',
    'a.b.c.d eq 1',
    "userName eq 'x'",
    'userName eq {"a":1}',
    '"userName" eq "x"',
    '1=1; DROP TABLE users',
    `userName eq "${'x'.repeat(3000)}"`,
    Array.from({ length: 60 }, () => 'a pr').join(' or '),
    `${'('.repeat(60)}a pr${')'.repeat(60)}`,
  ])('%s is not valid', filter => {
    expect(() => parseFilter(filter)).toThrow(ScimError)
  })

  it('is never anything but read or refused', () => {
    const word = fc.constantFrom(
      'userName',
      'eq',
      'pr',
      '(',
      ')',
      '[',
      ']',
      'and',
      'or',
      'not',
      '"x"',
      'true',
      'emails',
      '"',
      '\\',
      'urn:',
      '1',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word).map(words => words.join(' ')),
        ),
        text => {
          try {
            matches(parseFilter(text), resource)
          } catch (error) {
            if (!(error instanceof ScimError)) throw error
          }
        },
      ),
    )
  })

  it('tells the database only what must be so', () => {
    const required = (filter: string) => requiredEquality(parseFilter(filter), ['username', 'id'])
    expect(required('active eq true and userName eq "x"')).toEqual({ path: 'username', value: 'x' })
    for (const filter of [
      'userName eq "x" or id eq "y"',
      'not (userName eq "x")',
      'userName ne "x"',
      'emails[userName eq "x"]',
      'id eq 7',
    ]) {
      expect(required(filter), filter).toBeUndefined()
    }
  })
})

describe('a PATCH', () => {
  const user = {
    schemas: ['s'],
    id: '1',
    userName: 'alice',
    active: true,
    name: { givenName: 'A', familyName: 'B' },
    emails: [{ value: 'a@x.com', type: 'work' }],
  }
  const group = { id: 'g', displayName: 'G', members: [{ value: '1' }, { value: '2' }, { value: '3' }] }
  const patch = (to: object, ...Operations: object[]) => applyPatch(to as Record<string, unknown>, { Operations })

  it('sets, merges and removes, as Okta and Entra ID send it', () => {
    expect(patch(user, { op: 'replace', value: { active: false } })['active']).toBe(false)
    expect(patch(user, { op: 'Replace', path: 'active', value: 'False' })['active']).toBe('False')
    expect(patch(user, { op: 'add', path: 'name.givenName', value: 'Z' })['name']).toEqual({
      givenName: 'Z',
      familyName: 'B',
    })
    expect(patch(user, { op: 'Add', value: { 'name.familyName': 'Z' } })['name']).toEqual({
      givenName: 'A',
      familyName: 'Z',
    })
    expect(
      patch(user, { op: 'replace', path: 'urn:ietf:params:scim:schemas:core:2.0:User:userName', value: 'z' })[
        'userName'
      ],
    ).toBe('z')
    expect(patch(user, { op: 'replace', path: 'emails[type eq "work"].value', value: 'z@x.com' })['emails']).toEqual([
      { value: 'z@x.com', type: 'work' },
    ])
    expect(patch(user, { op: 'add', path: 'emails[type eq "home"].value', value: 'h@x.com' })['emails']).toEqual([
      { value: 'a@x.com', type: 'work' },
      { type: 'home', value: 'h@x.com' },
    ])
    expect(patch(user, { op: 'remove', path: 'emails[type eq "work"]' })['emails']).toEqual([])
    expect(patch(user, { op: 'remove', path: 'name.givenName' })['name']).toEqual({ familyName: 'B' })
    expect(patch(user, { op: 'add', path: 'externalid', value: 'e' })['externalId']).toBe('e')
    expect(
      applyPatch(user, { schemas: [], operations: [{ op: 'add', path: 'displayName', value: 'D' }] })['displayName'],
    ).toBe('D')
  })

  it('changes members one by one', () => {
    const ids = (changed: Record<string, unknown>) =>
      (changed['members'] as { value: string }[] | undefined)?.map(member => member.value)
    expect(
      ids(patch(group, { op: 'add', path: 'members', value: [{ value: '3' }, { value: '4' }, { value: '4' }] })),
    ).toEqual(['1', '2', '3', '4'])
    expect(ids(patch(group, { op: 'remove', path: 'members[value eq "2"]' }))).toEqual(['1', '3'])
    expect(ids(patch(group, { op: 'Remove', path: 'members', value: [{ value: '1' }, { value: '9' }] }))).toEqual([
      '2',
      '3',
    ])
    expect(ids(patch(group, { op: 'replace', path: 'members', value: [{ value: '9' }] }))).toEqual(['9'])
    expect(ids(patch(group, { op: 'remove', path: 'members' }))).toBeUndefined()
  })

  it('does all or nothing, and leaves what it was given as it was', () => {
    const before = structuredClone(user)
    expect(() => patch(user, { op: 'replace', path: 'active', value: false }, { op: 'nonsense' })).toThrow(ScimError)
    patch(user, { op: 'replace', path: 'name.givenName', value: 'Z' })
    expect(user).toEqual(before)
  })

  it.each([
    [{}],
    [{ Operations: [] }],
    [{ Operations: 'x' }],
    [{ Operations: [null] }],
    [{ Operations: [{ op: 'move', path: 'a' }] }],
    [{ Operations: [{ op: 'remove' }] }],
    [{ Operations: [{ op: 'replace', value: 'x' }] }],
    [{ Operations: [{ op: 'replace', path: 'id', value: 'x' }] }],
    [{ Operations: [{ op: 'replace', path: 'meta.version', value: 'x' }] }],
    [{ Operations: [{ op: 'replace', path: 7, value: 'x' }] }],
    [{ Operations: [{ op: 'replace', path: 'members[', value: 'x' }] }],
    [{ Operations: [{ op: 'replace', path: 'members[value eq]', value: 'x' }] }],
    [{ Operations: [{ op: 'replace', path: '../x', value: 'x' }] }],
    [{ Operations: Array.from({ length: 1001 }, () => ({ op: 'add', path: 'a', value: 1 })) }],
    [null],
    ['x'],
  ])('%j is refused', body => {
    expect(() => applyPatch(user, body)).toThrow(ScimError)
  })

  it('cannot reach the prototype', () => {
    for (const path of ['__proto__.admin', 'constructor.prototype', '__proto__']) {
      try {
        patch(user, { op: 'add', path, value: { admin: true } })
      } catch (error) {
        expect(error).toBeInstanceOf(ScimError)
      }
    }
    expect(() => patch(user, { op: 'add', value: JSON.parse('{"__proto__":{"admin":true}}') })).toThrow(ScimError)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('a list query', () => {
  it('is bounded as RFC 7644 says', () => {
    expect(readQuery({})).toMatchObject({ startIndex: 1, count: 100, filter: undefined })
    expect(readQuery({ startIndex: '0', count: '-3' })).toMatchObject({ startIndex: 1, count: 0 })
    expect(readQuery({ startIndex: '7', count: '5000' })).toMatchObject({ startIndex: 7, count: 100 })
    expect(() => readQuery({ count: 'x' })).toThrow(ScimError)
  })
  it('chooses attributes', () => {
    const shape = (query: object) =>
      Object.keys(shaped({ id: 1, schemas: [], userName: 'x', name: {} }, readQuery(query).shape))
    expect(shape({ attributes: 'userName' })).toEqual(['id', 'schemas', 'userName'])
    expect(shape({ attributes: 'name.givenName' })).toEqual(['id', 'schemas', 'name'])
    expect(shape({ excludedAttributes: 'name,id' })).toEqual(['id', 'schemas', 'userName'])
  })
})
