import type { Json } from '../../upstream/types.ts'
import type { Random } from './random.ts'

/** Stand for JSON that cannot be made of values: put in place in the finished text. */
const raw: Readonly<Record<string, string>> = {
  '@deep@': '['.repeat(300) + ']'.repeat(300),
  '@abyss@': `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  '@infinite@': '1e999',
  '@long-number@': '9'.repeat(400),
  '@minus-zero@': '-0',
  '@proto@': '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}',
}

const strange: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e308,
  2 ** 53 + 2,
  '',
  ' ',
  'a',
  '\u0000',
  '\ud800',
  'ok \udfff \ud83d',
  '\u202e\u0000\uffff',
  '🌲'.repeat(50),
  'x'.repeat(20_000),
  '__proto__',
  'constructor',
  'toString',
  'null',
  'data:image/png;base64,',
  'data:,',
  'http://10.0.0.1/x.png',
  'file:///etc/passwd',
  '{"a":',
  '[DONE]',
  'data: {"error":1}\n\n',
  [],
  [[]],
  [null],
  [[[[[[]]]]]],
  {},
  { type: null },
  { type: 'text' },
  { role: 'user' },
  { a: { b: { c: {} } } },
  { $ref: '#' },
  { type: 'object', properties: null },
  { length: 1e9 },
  ...Object.keys(raw),
]

const names = ['__proto__', 'constructor', 'hasOwnProperty', 'type', 'role', 'content', 'model', 'stream', 'error', '']

/** A copy of `body` with a few values replaced, removed, moved or added. */
export function mutate(body: Json, random: Random): Json {
  const copy = structuredClone(body)
  for (let left = 1 + random.below(4); left > 0; left--) mutateOnce(copy, random)
  return copy
}

function mutateOnce(root: Json, random: Random): void {
  let holder: Json | unknown[] = root
  // Walks down a random way; deeper places are as likely as shallow ones.
  for (let depth = 0; depth < 8; depth++) {
    const inner: unknown[] = Object.values(holder).filter(value => typeof value === 'object' && value !== null)
    if (inner.length === 0 || random.chance(0.3)) break
    holder = random.pick(inner) as Json | unknown[]
  }
  const value = (): unknown => structuredClone(random.pick(strange))
  if (Array.isArray(holder)) {
    const at = random.below(holder.length + 1)
    const how = random.below(4)
    if (how < 2) holder[at] = value()
    else if (how === 2) holder.splice(at, 1)
    else if (holder.length > 0) holder.push(structuredClone(random.pick(holder)))
    return
  }
  const keys = Object.keys(holder)
  const key = keys.length > 0 && random.chance(0.8) ? random.pick(keys) : random.pick(names)
  if (random.chance(0.2)) delete holder[key]
  else if (random.chance(0.1) && keys.length > 1) define(holder, key, structuredClone(holder[random.pick(keys)]))
  else define(holder, key, value())
}

/** Also `__proto__` becomes a member like any other, as it does in parsed JSON. */
function define(holder: Json, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
}

export function toText(body: Json): string {
  let text = JSON.stringify(body)
  if (!text.includes('"@')) return text
  for (const [mark, json] of Object.entries(raw)) text = text.replaceAll(`"${mark}"`, json)
  return text
}

/** The same text with some bytes damaged. */
export function damage(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text)
  switch (random.below(7)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length))
    case 1:
      return random.bytes(random.below(300))
    case 2:
      return Buffer.concat([Buffer.from('\ufeff'), bytes])
    case 3:
      return Buffer.concat([bytes, Buffer.from(random.pick(['}', ',', '\0', '//', ' {}', '\n\n']))])
    case 4:
      return Buffer.from(text.replaceAll('"', random.pick(["'", '`', '\\"'])))
    case 5:
      return Buffer.from(random.pick(['', 'null', '[]', '"text"', '1', 'true', '{', '{}', '[{}]', 'NaN', '\u2028']))
    default:
      for (let left = 1 + random.below(6); left > 0; left--) bytes[random.below(bytes.length)] = random.below(256)
      return bytes
  }
}
