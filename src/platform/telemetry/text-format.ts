/** Terminal colours by level; the rest is plain, so that a copied line is readable anywhere. */
const colours: Readonly<Record<string, string>> = {
  fatal: '\u001b[31m',
  error: '\u001b[31m',
  warn: '\u001b[33m',
  info: '\u001b[32m',
  debug: '\u001b[36m',
  trace: '\u001b[90m',
}

interface Line {
  readonly level: string
  readonly time: string
  readonly msg?: string
  readonly err?: { readonly type: string; readonly message: string; readonly stack?: string }
  readonly [field: string]: unknown
}

/**
 * A JSON log line as one a person reads: `12:30:01.123 INFO  call group=gpt-4o status=200`. A stack follows on lines of
 * its own. For terminals and development; it parses every line again, so busy servers should log JSON.
 */
export function formatLine(json: string, colour: boolean): string {
  const { level, time, msg = '', err, ...fields } = JSON.parse(json) as Line
  const name = level.toUpperCase().padEnd(5)
  const shown = colour ? `${colours[level] ?? ''}${name}\u001b[0m` : name
  const parts = [time.slice(11, 23), shown]
  if (msg !== '') parts.push(visible(msg))
  for (const [field, value] of Object.entries(fields)) parts.push(`${field}=${textOf(value)}`)
  if (err === undefined) return `${parts.join(' ')}\n`

  const { type, message, stack, ...more } = err
  if (message !== msg) parts.push(`error=${textOf(`${type}: ${message}`)}`)
  for (const [field, value] of Object.entries(more)) parts.push(`error.${field}=${textOf(value)}`)
  return stack === undefined ? `${parts.join(' ')}\n` : `${parts.join(' ')}\n${visible(stack)}\n`
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return value === '' || /[\s"=\\]/.test(value) ? JSON.stringify(value) : visible(value)
}

/** A message may quote a caller: control characters could forge lines or drive the terminal. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, character =>
    character === '\n' || character === '\t' ? `${character === '\n' ? '\n  ' : ' '}` : '\ufffd',
  )
}
