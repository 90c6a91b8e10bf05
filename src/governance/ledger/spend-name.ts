/**
 * Characters of a name or id in the books: as many as ids have that are made here. An index of PostgreSQL holds no more
 * than 2,704 bytes of a row.
 */
export const maxSpendName = 255

/**
 * A name as the books have it: cut to size, and without what no database holds (U+0000, half a surrogate pair). Whoever
 * counts by a name before it is booked counts by this one, or limits and books would speak of different callers.
 */
export function spendName(text: string): string {
  return text.slice(0, maxSpendName).toWellFormed().replaceAll('\0', '\ufffd')
}
