import type { Output } from './output.ts'

/** One command under `routeiq router`. */
export interface Command {
  readonly usage: string
  run(argv: readonly string[], env: NodeJS.ProcessEnv, output: Output): Promise<number>
}
