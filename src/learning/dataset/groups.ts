import { createHash } from 'node:crypto'
import type { Row } from '../dataset.ts'

/** Letters and digits of a stem that make its key. */
const keyLength = 120
/** A beginning shared by more of the rows than this is an application's preamble, not a template. */
const preambleShare = 0.1
/** Below this many rows a shared beginning says nothing. */
const fewestForPreamble = 20

/** Text by which duplicates are known: case, accents' encoding and whitespace do not matter. */
export const normalised = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim()

/** Lines with the choices of a question, and what asks for the answer after them. */
const choices = /\n\s*(?:[([]?[A-J1-9][)\].:]|(?:choices|options|answer)\b)[\s\S]*$/i

const lettersAndDigits = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')

/** The question without its choices: the last one, where examples stand before it. */
export function stem(text: string): string {
  const paragraphs = text.trimEnd().split(/\n\s*\n/)
  const last = paragraphs.at(-1) ?? ''
  const own = lettersAndDigits(last).length >= 40 || paragraphs.length === 1 ? last : text
  const cut = own.replace(choices, '')
  return lettersAndDigits(cut).length >= 20 ? cut : own
}

/**
 * The group of every row: rows of one session, stem or template get one key. Rows with the same beginning (a template)
 * or the same end of the stem (the same question behind another preamble) are joined.
 */
export const groupKeys = (rows: readonly Pick<Row, 'text' | 'group'>[]): string[] => groupsOf(rows.map(groupingKeys))

/** As {@link groupKeys}, for texts that are no longer in memory. */
export function groupsOf(keys: readonly GroupingKeys[]): string[] {
  const counts = new Map<string, number>()
  for (const { head } of keys) counts.set(head, (counts.get(head) ?? 0) + 1)
  const limit = Math.max(fewestForPreamble, preambleShare * keys.length)
  const sets = new Sets()
  return keys
    .map(({ own, head, tail }) => {
      if (own !== undefined) return sets.add(own)
      const node = sets.add(tail)
      if ((counts.get(head) ?? 0) <= limit) sets.join(node, sets.add(head))
      return node
    })
    .map(node => sets.root(node))
}

export interface GroupingKeys {
  /** Given by the data. */
  readonly own: string | undefined
  readonly head: string
  readonly tail: string
}

export function groupingKeys({ text, group }: Pick<Row, 'text' | 'group'>): GroupingKeys {
  if (group !== undefined) return { own: `g:${group}`, head: '', tail: '' }
  const letters = lettersAndDigits(text)
  const question = lettersAndDigits(stem(text))
  return {
    own: undefined,
    head: digest(`h:${letters.slice(0, keyLength)}`),
    tail: digest(`t:${question.slice(-keyLength)}`),
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 20)

/** Union-find over names. */
class Sets {
  readonly #parent = new Map<string, string>()

  add(name: string): string {
    if (!this.#parent.has(name)) this.#parent.set(name, name)
    return name
  }

  root(name: string): string {
    let root = name
    for (let next = this.#parent.get(root); next !== undefined && next !== root; next = this.#parent.get(root))
      root = next
    // Paths are shortened as they are walked.
    for (let at = name; at !== root; ) {
      const next = this.#parent.get(at) ?? root
      this.#parent.set(at, root)
      at = next
    }
    return root
  }

  join(one: string, other: string): void {
    const [a, b] = [this.root(one), this.root(other)]
    // The smaller name wins, so that the result does not depend on the order of rows.
    if (a < b) this.#parent.set(b, a)
    else if (b < a) this.#parent.set(a, b)
  }
}
