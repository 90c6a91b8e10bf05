import { describe, expect, it } from 'vitest'
import { eventually } from './eventually.ts'
import { type At, item, longTtl, standOf, unique } from './world.ts'

/** Names, values, locks and messages. */
export function valueContract(at: At): void {
  describe('names', () => {
    it('are told apart whatever is in them', async () => {
      const base = unique()
      const keys = ['a:b', 'a', 'b', 'a:b:c', 'a b', 'a\n', 'a\r\n', 'a\0', 'ä', 'a*', '{a}', '}', 'a}b', '🙂', '', ' ']
      const named = keys.map(key => `${base}${key}`)
      const counted = named.map((key, i) => item(key, 1000, { amount: i + 1 }))
      await at.state.reserve(unique(), counted, longTtl)
      expect((await at.state.read(named)).map(({ reserved }) => reserved)).toEqual(keys.map((_, i) => i + 1))
      for (const [i, key] of named.entries()) await at.state.set(key, String(i), undefined)
      expect(await Promise.all(named.map(key => at.state.get(key)))).toEqual(keys.map((_, i) => String(i)))
      const locks = await Promise.all(named.map(name => at.state.lock(name, 60_000)))
      expect(locks.filter(lock => lock !== undefined)).toHaveLength(named.length)
    })

    it('of leases and counters are told apart where they meet', async () => {
      const base = unique()
      const pairs = [
        [`${base}a:b`, 'c'],
        [`${base}a`, 'b:c'],
        [`${base}a:b:c`, ''],
        ['', `${base}a:b:c`],
      ] as const
      for (const [i, [id, key]] of pairs.entries()) {
        const result = await at.state.reserve(id, [item(`${base}${key}`, 100, { amount: i + 1 })], longTtl)
        expect(result.values).toMatchObject([{ reserved: i + 1 }])
      }
      at.state.settle(pairs[0][0], [50])
      await at.state.flush()
      expect(await standOf(at.state, `${base}c`)).toEqual([50, 0])
      expect(await standOf(at.state, `${base}b:c`)).toEqual([0, 2])
      for (const [id] of pairs) at.state.settle(id, undefined)
      await at.state.flush()
    })
  })

  describe('values', () => {
    it('are kept, replaced, deleted, and go with time', async () => {
      const [a, b] = [unique(), unique()]
      expect(await at.state.get(a)).toBeUndefined()
      await at.state.set(a, 'one', undefined)
      await at.state.set(b, '', 100)
      expect([await at.state.get(a), await at.state.get(b)]).toEqual(['one', ''])
      await at.state.set(a, 'two 🙂\n', undefined)
      await at.world.pass(120)
      expect([await at.state.get(a), await at.state.get(b)]).toEqual(['two 🙂\n', undefined])
      await at.state.delete([a, b, unique()])
      await at.state.delete([])
      expect(await at.state.get(a)).toBeUndefined()
    })

    it('count up, from the first on for their time', async () => {
      const key = unique()
      expect(await at.state.increment(key, 150)).toBe(1)
      await at.world.pass(80)
      expect(await at.state.increment(key, 150)).toBe(2)
      expect(await at.state.get(key)).toBe('2')
      await at.world.pass(100)
      expect(await at.state.increment(key, 150)).toBe(1)
    })

    it('that are no number do not count up', async () => {
      const key = unique()
      await at.state.set(key, 'word', undefined)
      await expect(at.state.increment(key, 1000)).rejects.toThrow(/not an integer/)
    })

    it('are one to all clients', async () => {
      const key = unique()
      const other = await at.world.open()
      await at.state.set(key, 'here', 60_000)
      expect(await other.get(key)).toBe('here')
    })
  })

  describe('a lock', () => {
    it('is held by one until released', async () => {
      const name = unique()
      const other = await at.world.open()
      const lock = await at.state.lock(name, 60_000)
      expect(lock).toBeDefined()
      expect(await other.lock(name, 60_000)).toBeUndefined()
      await lock!.release()
      const next = await other.lock(name, 60_000)
      expect(next).toBeDefined()
      // Released already: it is another's now.
      await lock!.release()
      expect(await lock!.extend(60_000)).toBe(false)
      expect(await at.state.lock(name, 60_000)).toBeUndefined()
    })

    it('ends with its time unless extended', async () => {
      const name = unique()
      const lock = await at.state.lock(name, 100)
      expect(await lock!.extend(300)).toBe(true)
      await at.world.pass(150)
      expect(await at.state.lock(name, 100)).toBeUndefined()
      await at.world.pass(200)
      expect(await lock!.extend(300)).toBe(false)
      expect(await at.state.lock(name, 100)).toBeDefined()
    })

    it('goes to one of many', async () => {
      const name = unique()
      const other = await at.world.open()
      const locks = await Promise.all(
        Array.from({ length: 50 }, (_, i) => (i % 2 ? at.state : other).lock(name, 60_000)),
      )
      expect(locks.filter(lock => lock !== undefined)).toHaveLength(1)
    })
  })

  describe('messages', () => {
    it('reach every subscriber of the channel, the sender too, in order', async () => {
      const [channel, elsewhere] = [unique(), unique()]
      const other = await at.world.open()
      const heard: string[][] = [[], [], []]
      at.state.subscribe(channel, message => heard[0]!.push(message))
      other.subscribe(channel, message => heard[1]!.push(message))
      other.subscribe(elsewhere, message => heard[2]!.push(message))
      // Subscribed by now: the answer came over the same way.
      await Promise.all([at.state.get('x'), other.get('x')])
      await at.state.publish(channel, 'one')
      await at.state.publish(channel, 'two 🙂')
      await other.publish(elsewhere, 'three')
      await eventually(() => heard).toEqual([['one', 'two 🙂'], ['one', 'two 🙂'], ['three']])
    })

    it('stop when unsubscribed, and come again', async () => {
      const channel = unique()
      const heard: string[] = []
      const hear = (message: string): void => void heard.push(message)
      const stop = at.state.subscribe(channel, hear)
      const stopTwin = at.state.subscribe(channel, hear)
      stop()
      await at.state.publish(channel, 'one')
      await eventually(() => heard).toEqual(['one'])
      stopTwin()
      stopTwin()
      await at.state.publish(channel, 'two')
      // Unsubscribed and subscribed in one breath.
      at.state.subscribe(channel, hear)()
      at.state.subscribe(channel, hear)
      await at.state.get('x')
      await at.state.publish(channel, 'three')
      await eventually(() => heard).toEqual(['one', 'three'])
    })

    it('reach the others when one subscriber throws', async () => {
      const channel = unique()
      const heard: string[] = []
      at.state.subscribe(channel, () => {
        throw new Error('a listener that throws')
      })
      at.state.subscribe(channel, message => heard.push(message))
      await at.state.get('x')
      await at.state.publish(channel, 'one')
      await eventually(() => heard).toEqual(['one'])
    })
  })
}
