import { GatewayError } from '../errors/gateway-error.ts'

/** One thing wrong (or doubtful) in a config. Never holds a resolved `os.environ/` value. */
export interface Problem {
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based. */
  readonly column: number
  /** `model_list[0].litellm_params.rpm`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
  readonly severity: 'error' | 'warning'
}

export type Path = readonly (string | number)[]

export function pathText(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part.length > 80 ? `${part.slice(0, 80)}…` : part)}]`
  }
  return text
}

/** `file:line:column: error: path: message`, the form editors and terminals turn into a link. */
export function formatProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`
  const path = problem.path === '' ? '' : `${problem.path}: `
  return `${where}: ${problem.severity}: ${path}${problem.message}`
}

/** A config that cannot be used. Holds everything that is wrong with it, warnings included. */
export class ConfigError extends GatewayError {
  readonly problems: readonly Problem[]
  /** Every file that was read or looked for: watch them to notice the repair. */
  readonly files: readonly string[]

  constructor(problems: readonly Problem[], files: readonly string[]) {
    const errors = problems.filter(problem => problem.severity === 'error')
    const first = errors[0]
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
    super('config_invalid', first ? formatProblem(first) + more : 'the config is invalid')
    this.name = 'ConfigError'
    this.problems = problems
    this.files = files
  }

  format(): string {
    const errors = this.problems.filter(problem => problem.severity === 'error').length
    const lines = this.problems.map(formatProblem)
    return `${lines.join('\n')}\n${errors} error${errors === 1 ? '' : 's'} in the config`
  }
}
