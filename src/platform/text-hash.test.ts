import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hashText, mixHashes } from './text-hash.ts'

it('is a whole number of 53 bits at most, the same for the same text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.maxSafeNat(), (text, other) => {
      const hash = hashText(text)
      hashText('another one in between')
      const mixed = mixHashes(hash, other)
      return [hash, mixed].every(value => Number.isSafeInteger(value) && value >= 0) && hash === hashText(text)
    }),
  )
})

it('tells apart texts that differ anywhere in their first four thousand characters, and in length', () => {
  const word = (at: number): string => `w${at} `
  const long = Array.from({ length: 700 }, (_, at) => word(at)).join('')
  const texts = new Set<string>(['', 'a', 'b', 'aa', long, `${long}.`, long.slice(1)])
  for (let at = 0; at < 4000; at += 7) texts.add(`${long.slice(0, at)}#${long.slice(at + 1)}`)
  for (let at = 0; at < 2000; at++) texts.add(word(at))
  const hashes = new Set([...texts].map(text => hashText(text)))
  expect(hashes.size).toBe(texts.size)
})

it('mixes hashes in their order', () => {
  const hashes = Array.from({ length: 200 }, (_, at) => hashText(`text ${at}`))
  const mixed = new Set(hashes.flatMap(first => hashes.map(second => mixHashes(first, second))))
  expect(mixed.size).toBe(hashes.length ** 2)
})
