/**
 * What may go wrong. Written after a model name (`gpt-4o@status=500,delay=50`), in the header `x-fault`
 * (`status=500,delay=50`) or given to `upstream.fault()`. A name without value means true.
 */
export interface Fault {
  /** Answer with this status and the vendor's error body. */
  status?: number
  /** `Retry-After` header, as written (seconds or an HTTP date). */
  retry_after?: string
  /** With 400: the vendor's words for a prompt longer than the context window. */
  context?: boolean
  /** With 429: the vendor's words for an exhausted quota instead of a rate. */
  quota?: boolean
  /** Safety filter: `prompt` refuses the request, `completion` stops the answer. */
  filter?: string
  /** Milliseconds before the response head. */
  delay?: number
  /** Milliseconds between the head (role chunk) and the first content. */
  ttft?: number
  /** Milliseconds before each further frame, or between drips. */
  cadence?: number
  /** Exact number of content chunks; the text is lengthened when it has fewer words. */
  chunks?: number
  /** Destroys the socket after this many body bytes. */
  cut?: number
  /** Destroys the socket before frame number k (from 0, all frames counted). */
  cut_event?: number
  /** Destroys the socket after k content frames. */
  cut_content?: number
  /** Ends the body cleanly before frame number k, without a terminal event. */
  end_event?: number
  /** Ends the body cleanly after k content frames, without a terminal event. */
  end_content?: number
  /** Invalid JSON: the body of a plain answer; frame k of a stream (a bare flag: frame 1). */
  malformed?: number | boolean
  /** Writes at most N bytes at a time, also inside UTF-8 characters. */
  split?: number
  /** CRLF line ends in streams. */
  crlf?: boolean
  /** A keep-alive (comment or ping event) before every frame. */
  ping?: boolean
  /** Leaves out the terminal event (`[DONE]`, `message_stop`). */
  no_done?: boolean
  /** HTTP 200 with an error object as the whole body. */
  error_body?: boolean
  /** An error event in place of frame k, then a clean end. */
  error_event?: number
  /** An error event after k content frames (0: before the first content), then a clean end. */
  error_content?: number
  /** Kind of the error inside a stream: `overloaded` (default), `rate_limit`, `invalid`. */
  error_kind?: string
  /** Declares this many bytes more (the socket closes early) or fewer than are sent. */
  content_length?: number
  /** Compresses the body, whatever the client accepts. */
  gzip?: boolean
  /** Lengthens the answer to this many megabytes of text. */
  huge?: number
  /** Never answers. */
  hang?: boolean
  /** Sends the head and preamble, then nothing more. */
  stall?: boolean
  /** Resets the connection instead of answering. */
  reset?: boolean
  /** Sends N bytes every `cadence` (default 10) milliseconds. */
  drip?: number
  /** Cumulative usage on every chunk. */
  usage_every?: boolean
  /** No usage at all. */
  no_usage?: boolean
  /** Answers a streamed call in one piece. */
  no_stream?: boolean
  /** An additional first chunk with empty `choices`. */
  empty_choices?: boolean
  /** The other faults act on the first N calls only (default effect: status 500). */
  fail?: number
  /** HTTP 200, or `status`, with an HTML page, as a broken proxy answers. */
  html?: boolean
  /** Replaces the `Content-Type`. */
  content_type?: string
  /** OpenAI, Gemini: this many prompt tokens count as read from the cache. */
  cached?: number
  /** Answers with this 3xx-style `Location`; needs `status`. */
  location?: string
}

const numbers: ReadonlySet<string> = new Set([
  'status',
  'delay',
  'ttft',
  'cadence',
  'chunks',
  'cut',
  'cut_event',
  'cut_content',
  'end_event',
  'end_content',
  'malformed',
  'split',
  'error_event',
  'error_content',
  'content_length',
  'huge',
  'drip',
  'fail',
  'cached',
])
const flags: ReadonlySet<string> = new Set([
  'context',
  'quota',
  'malformed',
  'crlf',
  'ping',
  'no_done',
  'error_body',
  'gzip',
  'hang',
  'stall',
  'reset',
  'usage_every',
  'no_usage',
  'no_stream',
  'empty_choices',
  'html',
])
const texts: ReadonlySet<string> = new Set(['retry_after', 'filter', 'error_kind', 'content_type', 'location'])

/**
 * Reads `k=v,k,…`.
 * @throws Error for an unknown name or a value that is no number: a misspelt fault must not pass as a healthy upstream.
 */
export function parseFault(text: string): Fault {
  const fault: Record<string, unknown> = {}
  for (const item of text.split(',')) {
    if (item.trim() === '') continue
    const equals = item.indexOf('=')
    const name = (equals < 0 ? item : item.slice(0, equals)).trim()
    const value = equals < 0 ? undefined : item.slice(equals + 1).trim()
    if (value === undefined || (flags.has(name) && (value === 'true' || value === 'false'))) {
      if (!flags.has(name)) throw new Error(`fault '${name}' needs a value or does not exist`)
      fault[name] = value !== 'false'
    } else if (numbers.has(name)) {
      const number = Number(value)
      if (!Number.isFinite(number)) throw new Error(`fault '${name}': '${value}' is not a number`)
      fault[name] = number
    } else if (texts.has(name)) {
      fault[name] = value
    } else {
      throw new Error(`unknown fault '${name}'`)
    }
  }
  return fault as Fault
}

/** `gpt-4o@status=500` → the model and the fault text. A name that merely contains `@` (no `=` or flag) is kept whole. */
export function splitModel(model: string): { model: string; faultText: string } {
  const at = model.lastIndexOf('@')
  if (at < 0) return { model, faultText: '' }
  const rest = model.slice(at + 1)
  const first = rest.split(/[=,]/, 1)[0] ?? ''
  if (!numbers.has(first) && !flags.has(first) && !texts.has(first) && !rest.includes('=')) {
    return { model, faultText: '' }
  }
  return { model: model.slice(0, at), faultText: rest }
}
