import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type LeaseItem, StateUnavailable } from '../shared-state.ts'
import type { Answers, Operation, Transport } from './operation.ts'
import { RemoteLeases } from './remote-leases.ts'

/** That counters and leases are right is shown in test/contracts; here: what travels when. */

const item: LeaseItem = { key: 'k', window: { kind: 'forever' }, limit: 1e6, amount: 1, overdraft: false }

interface Message {
  readonly operations: readonly Operation[]
  readonly arrive: (answers: Answers) => void
  readonly fail: (error: Error) => void
}

/** A road on which messages wait until the test says what becomes of them. */
class Road implements Transport {
  available = true
  readonly messages: Message[] = []

  exchange(collect: () => readonly Operation[]): Promise<Answers> {
    return new Promise((arrive, fail) => {
      // Written at the end of the turn, like the client's.
      setImmediate(() => this.messages.push({ operations: collect(), arrive, fail }))
    })
  }
}

const granted = ({ operations }: Message): Answers =>
  operations.filter(({ what }) => what === 'reserve').map(() => ({ granted: true, values: [] }))

it('has two messages on their way at most; what is asked meanwhile travels together in the next', async () => {
  const road = new Road()
  const leases = new RemoteLeases(road, 100, {})
  let answered = 0
  for (let id = 0; id < 50; id++) {
    void leases.reserve(String(id), [item], 1000).then(() => {
      answered++
    })
    await turn()
    await turn()
  }
  expect(road.messages.map(({ operations }) => operations.length)).toEqual([1, 1])
  const [first, second] = road.messages as [Message, Message]
  first.arrive(granted(first))
  await turn()
  await turn()
  expect(answered).toBe(1)
  expect(road.messages.map(({ operations }) => operations.length)).toEqual([1, 1, 48])
  second.arrive(granted(second))
  const third = road.messages[2] as Message
  third.arrive(granted(third))
  await turn()
  expect(answered).toBe(50)
  // Nothing is left that would keep the next from leaving at once.
  void leases.reserve('last', [item], 1000)
  await turn()
  await turn()
  expect(road.messages).toHaveLength(4)
})

it('lets nobody wait for ever when messages fail', async () => {
  const road = new Road()
  const leases = new RemoteLeases(road, 100, {})
  const failed: string[] = []
  for (let id = 0; id < 5; id++) {
    leases.reserve(String(id), [item], 1000).catch(error => failed.push(error.name))
    await turn()
    await turn()
  }
  for (let message = 0; message < road.messages.length; message++) {
    road.messages[message]?.fail(new StateUnavailable('cut'))
    await turn()
    await turn()
  }
  expect(failed).toEqual(Array.from({ length: 5 }, () => 'StateUnavailable'))
  expect(road.messages.map(({ operations }) => operations.filter(({ what }) => what === 'reserve').length)).toEqual([
    1, 1, 3,
  ])
})
