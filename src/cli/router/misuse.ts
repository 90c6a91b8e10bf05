import { type ParseArgsConfig, parseArgs } from 'node:util'

/** The command line cannot be understood: answered with the usage of the command. */
export class Misuse extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Misuse'
  }
}

type Options = NonNullable<ParseArgsConfig['options']>

/** `parseArgs`, with a spelling error told as {@link Misuse}. */
export function readOptions<O extends Options>(argv: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options })
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : 'not understood')
  }
}

/** @throws Misuse unless it is a whole number in the range */
export function wholeNumber(
  option: string,
  value: string | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  if (value === undefined) return fallback
  const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max))
    throw new Misuse(`--${option} must be a whole number from ${min} to ${max}, not ${value}`)
  return number
}

/** @throws Misuse unless it is a number in the range */
export function decimal(option: string, value: string | undefined, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  const number = value.trim() === '' ? Number.NaN : Number(value)
  if (!(number >= min && number <= max))
    throw new Misuse(`--${option} must be a number from ${min} to ${max}, not ${value}`)
  return number
}

/** @throws Misuse unless it is one of the words */
export function oneOf<T extends string>(option: string, value: string, words: readonly T[]): T {
  const word = words.find(known => known === value)
  if (word === undefined) throw new Misuse(`--${option} must be one of ${words.join(', ')}, not ${value}`)
  return word
}
