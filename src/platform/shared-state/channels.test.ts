import { expect, it } from 'vitest'
import { Channels } from './channels.ts'

it('channels tell the first listener and the last', () => {
  const failures: unknown[] = []
  const channels = new Channels(error => failures.push(error))
  const heard: string[] = []
  const a = (message: string): void => void heard.push(`a${message}`)
  const b = (): void => {
    // Leaves while the message is delivered.
    channels.remove('x', a)
    throw new Error('b')
  }
  expect([channels.add('x', b), channels.add('x', a), channels.add('y', a)]).toEqual([true, false, true])
  channels.deliver('x', '1')
  channels.deliver('x', '2')
  channels.deliver('z', '3')
  expect(heard).toEqual(['a1'])
  expect(failures).toHaveLength(2)
  expect([channels.remove('x', a), channels.remove('x', b), channels.remove('x', b)]).toEqual([false, true, false])
  expect(channels.names).toEqual(['y'])
})
