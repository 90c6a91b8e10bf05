import { redacted, scrubText } from '../../platform/telemetry/scrub.ts'

/**
 * Personal data that can be told by their look. Not a promise that none is left (names and addresses have no look): what
 * is captured is for training on one's own traffic, and is deleted after its time.
 */
const personalNumbers = new RegExp(
  [
    // IBAN: country, check digits, 11 to 30 letters and digits, perhaps in groups of four.
    String.raw`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b`,
    // Cards, social security and phone numbers: nine digits or more, with the usual separators between.
    String.raw`(?<![\w.])\+?\d(?:[ ().\/-]{0,2}\d){8,18}(?![\w])`,
    // IPv4.
    String.raw`\b(?:\d{1,3}\.){3}\d{1,3}\b`,
  ].join('|'),
  'g',
)

const mailAddress = /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}/g

/** Text as it may be captured: without credentials and without what looks like personal data, cut in its middle. */
export function redactText(text: string, maxCharacters: number): string {
  // Cut first where it is far too long: the expressions are linear, but megabytes are megabytes.
  const bounded = text.length > maxCharacters * 4 ? cut(text, maxCharacters * 4) : text
  const scrubbed = scrubText(bounded)
  // From every letter it would look ahead for an @: most texts have none.
  const withoutMail = scrubbed.includes('@') ? scrubbed.replace(mailAddress, redacted) : scrubbed
  return cut(withoutMail.replace(personalNumbers, redacted), maxCharacters)
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text
  const mark = ' […] '
  const head = Math.floor((most - mark.length) * 0.35)
  return text.slice(0, head) + mark + text.slice(text.length - (most - mark.length - head))
}
