/** A line that cannot be used. `field` is where in it, as the format spells it. */
export class BadLine extends Error {
  readonly field: string | undefined

  constructor(field: string | undefined, message: string) {
    super(message)
    this.name = 'BadLine'
    this.field = field
  }
}

/** The data as a whole cannot be used. The message says what to do. */
export class DatasetError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DatasetError'
  }
}

export interface Problem {
  readonly file: string
  /** From 1; of a record over several lines, its first. */
  readonly line: number
  readonly field: string | undefined
  readonly message: string
}

/** Bad lines that are passed over whatever their share. */
const alwaysAllowed = 10
/** Problems kept to be shown; all are counted. */
const kept = 20

/** Counts bad lines, keeps the first ones, and gives up on a file that is mostly bad: the wrong format, most likely. */
export class Problems {
  readonly first: Problem[] = []
  /** Share of bad lines in a file above which it is refused. */
  readonly #bound: number
  #bad = 0
  #file = ''
  #badInFile = 0

  constructor(bound = 0.05) {
    this.#bound = bound
  }

  get bad(): number {
    return this.#bad
  }

  /** @throws DatasetError when the bound is passed */
  note(file: string, line: number, error: unknown): void {
    if (!(error instanceof BadLine)) throw error
    if (file !== this.#file) {
      this.#file = file
      this.#badInFile = 0
    }
    this.#bad++
    this.#badInFile++
    const problem = { file, line, field: error.field, message: error.message }
    if (this.first.length < kept) this.first.push(problem)
    if (this.#badInFile > Math.max(alwaysAllowed, this.#bound * line))
      throw new DatasetError(
        `${toldProblem(problem)}\n${this.#badInFile} of the first ${line} lines of ${file} cannot be read: ` +
          `is it the right format (--format)? --bad-lines raises the bound of ${this.#bound * 100} %`,
      )
  }
}

export const toldProblem = ({ file, line, field, message }: Problem): string =>
  `${file}:${line}${field === undefined ? '' : ` ${field}`}: ${message}`
