import fc from 'fast-check'
import { expect, it } from 'vitest'
import { NamedSlots, Slots } from './slots.ts'

it('uses places again, and only those that are free', () => {
  const slots = new Slots<string>()
  const [a, b] = [slots.add('a'), slots.add('b')]
  slots.remove(a)
  slots.remove(a)
  expect(slots.size).toBe(1)
  expect(slots.add('c')).toBe(a)
  expect(slots.add('d')).not.toBe(b)
  expect([...slots].sort()).toEqual(['b', 'c', 'd'])
  slots.clear()
  expect([slots.size, slots.at(b)]).toEqual([0, undefined])
})

it('by name it is what a Map is', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), steps => {
      const map = new Map<string, number>()
      const named = new NamedSlots<number>()
      steps.forEach(([add, name], index) => {
        const key = `n${name}`
        if (!add) {
          map.delete(key)
          named.delete(key)
        } else if (!named.has(key)) {
          map.set(key, index)
          named.add(key, index)
        }
        expect(named.get(key)).toBe(map.get(key))
      })
      expect(named.size).toBe(map.size)
      expect([...named.values()].sort()).toEqual([...map.values()].sort())
    }),
  )
})

it('by name it finds everybody after many came and went', () => {
  const map = new Map<string, number>()
  const named = new NamedSlots<number>()
  for (let i = 0; i < 20_000; i++) {
    map.set(`lease-${i}`, i)
    named.add(`lease-${i}`, i)
    const old = i % 3 === 0 ? i - 200 : i - 100 - (i % 7)
    map.delete(`lease-${old}`)
    named.delete(`lease-${old}`)
  }
  expect(named.size).toBe(map.size)
  for (const [name, value] of map) expect(named.get(name)).toBe(value)
  for (let i = 0; i < 20_000; i++) expect(named.has(`lease-${i}`)).toBe(map.has(`lease-${i}`))
})
