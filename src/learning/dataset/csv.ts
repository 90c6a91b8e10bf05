import { textOf } from './lines.ts'
import { DatasetError } from './problems.ts'

export interface CsvRecord {
  readonly cells: readonly string[]
  /** Line the record starts at, from 1. */
  readonly line: number
}

/** Records of a CSV file (RFC 4180: quotes, doubled quotes, newlines inside quotes). Streams. */
export async function* recordsOf(path: string): AsyncGenerator<CsvRecord> {
  const parser = new CsvParser()
  for await (const text of textOf(path)) yield* parser.feed(text)
  if (parser.quoted) throw new DatasetError(`${path}:${parser.start}: a quoted cell is never closed`)
  yield* parser.end()
}

class CsvParser {
  /** Line at which the record in the making starts. */
  start = 1
  quoted = false
  #line = 1
  #cells: string[] = []
  #cell = ''
  /** A quote inside quotes was read: the next character says whether it was an escape or the end. */
  #afterQuote = false

  feed(text: string): CsvRecord[] {
    const records: CsvRecord[] = []
    let from = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 10) this.#line++
      if (this.quoted) {
        if (code !== 34) continue
        this.#cell += text.slice(from, at)
        from = at + 1
        this.quoted = false
        this.#afterQuote = true
        continue
      }
      if (code === 34) {
        // A doubled quote stands for one; a quote elsewhere opens a quoted part.
        this.#cell += this.#afterQuote ? '"' : text.slice(from, at)
        this.#afterQuote = false
        this.quoted = true
        from = at + 1
      } else if (code === 44 || code === 10) {
        this.#cell += text.slice(from, at)
        from = at + 1
        this.#afterQuote = false
        this.#cells.push(code === 10 && this.#cell.endsWith('\r') ? this.#cell.slice(0, -1) : this.#cell)
        this.#cell = ''
        if (code === 10) this.#record(records)
      } else if (this.#afterQuote) {
        this.#afterQuote = false
      }
    }
    this.#cell += text.slice(from)
    return records
  }

  end(): CsvRecord[] {
    const records: CsvRecord[] = []
    if (this.#cell === '' && this.#cells.length === 0) return records
    this.#cells.push(this.#cell)
    this.#cell = ''
    this.#record(records)
    return records
  }

  #record(into: CsvRecord[]): void {
    const cells = this.#cells
    const line = this.start
    this.#cells = []
    this.start = this.#line
    if (cells.length > 1 || cells[0]?.trim() !== '') into.push({ cells, line })
  }
}
