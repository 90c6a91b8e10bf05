import { describe, expect, it, vi } from 'vitest'
import { Inquiry } from './inquiry.ts'

/** Two ends of one channel; messages are copied as a real one would. */
function channel(answer: (question: never) => Promise<unknown>, patience = 1000): { asker: Inquiry; drop(): void } {
  let dropping = false
  const ends: Inquiry[] = []
  const wire = (to: number) => (message: unknown) => {
    if (!dropping) queueMicrotask(() => ends[to]?.receive(structuredClone(message)))
  }
  const asker = new Inquiry(wire(1), () => Promise.reject(new Error('not asked')), patience)
  ends.push(asker, new Inquiry(wire(0), answer, patience))
  return {
    asker,
    drop() {
      dropping = true
    },
  }
}

describe('Inquiry', () => {
  it('matches answers to questions, whatever their order', async () => {
    const { asker } = channel(async (question: { wait: number }) => {
      await new Promise(resolve => setTimeout(resolve, question.wait))
      return question.wait
    })
    expect(await Promise.all([asker.ask({ wait: 20 }), asker.ask({ wait: 1 })])).toEqual([20, 1])
  })

  it('hands failures on as errors', async () => {
    const { asker } = channel(() => Promise.reject(new Error('no such thing')))
    await expect(asker.ask('x')).rejects.toThrow('no such thing')
  })

  it('waits no longer than it has patience, and not at all when the other side ends', async () => {
    vi.useFakeTimers()
    const { asker, drop } = channel(async () => 1, 50)
    drop()
    const late = expect(asker.ask('x')).rejects.toThrow('no answer')
    await vi.advanceTimersByTimeAsync(51)
    await late
    const closed = expect(asker.ask('y')).rejects.toThrow('has ended')
    asker.close()
    await closed
    vi.useRealTimers()
  })

  it('fails at once when the message cannot be sent, and ignores what is not for it', async () => {
    const broken = new Inquiry(
      () => {
        throw new Error('channel closed')
      },
      async () => 1,
      1000,
    )
    await expect(broken.ask('x')).rejects.toThrow('channel closed')
    for (const noise of [undefined, null, 'text', 7, {}, { inquiry: 'other' }, { inquiry: 'reply', number: 99 }]) {
      broken.receive(noise)
    }
  })
})
