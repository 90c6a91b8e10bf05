import { type GeminiGrounding, isRecord } from './gemini-types.ts'

/**
 * Grounding → OpenAI `url_citation` annotations. Segments are UTF-8 byte offsets in the answer's text; annotations
 * count characters (UTF-16 units, as JavaScript does and OpenAI's web clients expect).
 * @param text the whole answer, of which `partStarts` says where each Gemini part begins.
 */
export function citationsOf(grounding: GeminiGrounding, text: string, partStarts: readonly number[] = []): unknown[] {
  const sources = Array.isArray(grounding.groundingChunks) ? grounding.groundingChunks : []
  const supports = Array.isArray(grounding.groundingSupports) ? grounding.groundingSupports : []
  if (sources.length === 0) return []
  const bytes = new ByteOffsets(text)
  const citations: unknown[] = []
  for (const support of supports) {
    if (!isRecord(support) || !Array.isArray(support.groundingChunkIndices)) continue
    const segment: Record<string, unknown> = isRecord(support.segment) ? support.segment : {}
    const base = bytes.before(partStarts[whole(segment['partIndex'])] ?? 0)
    const start = bytes.index(base + whole(segment['startIndex']))
    const end = bytes.index(base + whole(segment['endIndex']))
    for (const at of support.groundingChunkIndices) {
      const citation = citationOf(sources[at], start, end)
      if (citation !== undefined) citations.push(citation)
    }
  }
  if (citations.length > 0) return citations
  // Sources without a place in the text are cited as a whole.
  return sources.flatMap(source => citationOf(source, 0, 0) ?? [])
}

const whole = (value: unknown): number => (Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0)

function citationOf(chunk: unknown, start: number, end: number): unknown {
  if (!isRecord(chunk)) return undefined
  for (const kind of ['web', 'maps', 'retrievedContext', 'image']) {
    const source = chunk[kind]
    if (!isRecord(source)) continue
    const url = source['uri'] ?? source['sourceUri']
    if (typeof url !== 'string') continue
    const title = typeof source['title'] === 'string' ? source['title'] : url
    return { type: 'url_citation', url_citation: { start_index: start, end_index: end, url, title } }
  }
  return undefined
}

class ByteOffsets {
  readonly #text: string
  /** Undefined while the text is ASCII, where bytes and characters agree. */
  readonly #bytes: Buffer | undefined

  constructor(text: string) {
    this.#text = text
    const bytes = Buffer.from(text, 'utf8')
    this.#bytes = bytes.length === text.length ? undefined : bytes
  }

  /** Bytes before the character at `index`. */
  before(index: number): number {
    return this.#bytes === undefined ? index : Buffer.byteLength(this.#text.slice(0, index), 'utf8')
  }

  /** The character at a byte offset. */
  index(offset: number): number {
    if (this.#bytes === undefined) return Math.min(offset, this.#text.length)
    return this.#bytes.toString('utf8', 0, Math.min(offset, this.#bytes.length)).length
  }
}
