/** Comparisons of an answer with a good one. Each gives 0..1. */

const normalised = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\b(?:a|an|the)\b/g, ' ')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

export const exactMatch = (answer: string, reference: string): number =>
  normalised(answer) === normalised(reference) ? 1 : 0

/** The reference stands somewhere in the answer, as whole words. */
export const containsMatch = (answer: string, reference: string): number => {
  const wanted = normalised(reference)
  return wanted !== '' && ` ${normalised(answer)} `.includes(` ${wanted} `) ? 1 : 0
}

/** Relative difference that rounding explains. */
const rounding = 1e-6

/** The last number of both is the same: how arithmetic benchmarks read a worked solution. */
export function numberMatch(answer: string, reference: string): number {
  const [found, wanted] = [lastNumber(answer), lastNumber(reference)]
  if (found === undefined || wanted === undefined) return 0
  return Math.abs(found - wanted) <= rounding * Math.max(1, Math.abs(wanted)) ? 1 : 0
}

function lastNumber(text: string): number | undefined {
  // Thousands separators go; a full stop after a number ends a sentence.
  const numbers = text.replace(/(\d),(?=\d{3}\b)/g, '$1').match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi)
  const last = numbers?.at(-1)
  return last === undefined ? undefined : Number(last)
}

/** Share of common words, harmonic mean of both directions (SQuAD's F1). */
export function wordF1(answer: string, reference: string): number {
  const words = normalised(answer).split(' ').filter(Boolean)
  const wanted = normalised(reference).split(' ').filter(Boolean)
  if (words.length === 0 || wanted.length === 0) return words.length === wanted.length ? 1 : 0
  const left = new Map<string, number>()
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1)
  let common = 0
  for (const word of words) {
    const count = left.get(word) ?? 0
    if (count === 0) continue
    left.set(word, count - 1)
    common++
  }
  return (2 * common) / (words.length + wanted.length)
}

/** The letter chosen of a multiple-choice question: named as the answer, or the last one that stands alone. */
export function choiceMatch(answer: string, reference: string): number {
  const wanted = letterOf(reference)
  return wanted !== undefined && letterOf(answer) === wanted ? 1 : 0
}

function letterOf(text: string): string | undefined {
  const named = [...text.matchAll(/\b(?:answer|option|choice)(?:\s+is)?\s*[:=]?\s*[("'*]*([A-J])\b/gi)].at(-1)?.[1]
  const alone = named ?? [...text.matchAll(/(?:^|[\s("'*])([A-J])(?=$|[\s).:"'*,])/g)].at(-1)?.[1]
  return alone?.toUpperCase()
}
