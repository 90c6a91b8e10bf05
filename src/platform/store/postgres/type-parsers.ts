import type { CustomTypesConfig } from 'pg'

/** `bigint`, and `numeric`, which is what PostgreSQL makes of a sum of bigints. */
const int8 = 20
const numeric = 1700

/** Numbers come back as numbers, as SQLite gives them; one that a number cannot hold is an error, never another number. */
export function typeParsers(builtin: CustomTypesConfig): CustomTypesConfig {
  return {
    getTypeParser: ((id: number, format?: 'text' | 'binary') =>
      id === int8 || id === numeric
        ? safeNumber
        : builtin.getTypeParser(id, format as 'text')) as CustomTypesConfig['getTypeParser'],
  }
}

function safeNumber(text: string): number {
  const value = Number(text)
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value
  throw new RangeError(`Value is too large to be represented as a JavaScript number: ${text}`)
}
