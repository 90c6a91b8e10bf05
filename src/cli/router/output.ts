/** Where a command writes: results to `out`, everything else to `err`. */
export interface Output {
  out(text: string): void
  err(text: string): void
  /** Whether `err` is watched by a person: only then is a bar drawn. */
  readonly terminal: boolean
}

export const processOutput: Output = {
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  terminal: process.stderr.isTTY === true,
}

/** Cells of a bar. */
const width = 28

/** A line that is drawn over and over on a terminal; nothing anywhere else. */
export class Progress {
  readonly #output: Output
  #shown = false

  constructor(output: Output) {
    this.#output = output
  }

  show(done: number, of: number, doing: string): void {
    if (!this.#output.terminal) return
    this.#shown = true
    const share = of > 0 ? Math.min(1, done / of) : 0
    const full = Math.round(width * share)
    const bar = '█'.repeat(full) + '░'.repeat(width - full)
    this.#output.err(`\r\u001b[2K${bar} ${String(Math.floor(100 * share)).padStart(3)} %  ${doing.slice(0, 60)}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown) this.#output.err('\r\u001b[2K')
    this.#shown = false
  }
}
