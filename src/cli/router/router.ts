import { DatasetError } from '../../learning/dataset/problems.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Command } from './command.ts'
import { Misuse } from './misuse.ts'
import { type Output, processOutput } from './output.ts'

const usage = `routeiq router: learn which model answers which prompt best, and for what money

  routeiq router eval      score routers: on a test file, by cross-validation, or an artifact
  routeiq router train     train an artifact from data
  routeiq router compare   one table of all methods over several data files
  routeiq router dataset   build a dataset from logs, tables and traces; show its card; export it
  routeiq router inspect   what an artifact holds
  routeiq router sign      sign an artifact
  routeiq router probe     put your prompts to your models, score the answers, train

With a gateway that runs:
  routeiq router collect   fetch its decisions and feedback
  routeiq router deploy    bring an artifact in: shadow, canary, active
  routeiq router status    what decides, how far a rollout is, what its guards say
  routeiq router advance   next step of a rollout that waits
  routeiq router rollback  back to what was; routeiq router deactivate: back to the configuration

Each explains itself with --help. docs/tutorial-learned-routing.md goes through all of it in twenty minutes.
Exit code: 0 done, 1 the router is not better than none (--force overrides), 2 nothing could be done.
`

const commands: { readonly [name: string]: () => Promise<Command> } = {
  eval: async () => (await import('./eval.ts')).evalCommand,
  train: async () => (await import('./train.ts')).trainCommand,
  compare: async () => (await import('./compare.ts')).compareCommand,
  dataset: async () => (await import('./dataset.ts')).datasetCommand,
  inspect: async () => (await import('./inspect.ts')).inspectCommand,
  sign: async () => (await import('./sign.ts')).signCommand,
  probe: async () => (await import('./probe/probe.ts')).probeCommand,
  collect: async () => (await import('./loop/collect.ts')).collectCommand,
  deploy: async () => (await import('./loop/deploy.ts')).deployCommand,
  status: async () => (await import('./loop/rollout.ts')).statusCommand,
  advance: async () => (await import('./loop/rollout.ts')).advanceCommand,
  rollback: async () => (await import('./loop/rollout.ts')).rollbackCommand,
  deactivate: async () => (await import('./loop/rollout.ts')).deactivateCommand,
}

/** `routeiq router …`. @returns the exit code */
export async function router(
  [name, ...argv]: readonly string[],
  env: NodeJS.ProcessEnv,
  output: Output = processOutput,
): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h') {
    output.out(usage)
    return name === undefined ? 2 : 0
  }
  const load = commands[name]
  if (load === undefined) {
    output.err(`routeiq router: unknown command: ${name}\n\n${usage}`)
    return 2
  }
  const command = await load()
  if (argv.includes('--help') || argv.includes('-h')) {
    output.out(command.usage)
    return 0
  }
  try {
    return await command.run(argv, env, output)
  } catch (error) {
    output.err(`routeiq router ${name}: ${told(error)}\n`)
    if (error instanceof Misuse) output.err(`\n${command.usage}`)
    return 2
  }
}

/** What a person can act on is told in a sentence; a defect keeps its stack. */
function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const understood =
    error instanceof Misuse || error instanceof DatasetError || error instanceof GatewayError || 'code' in error
  return understood ? error.message : (error.stack ?? error.message)
}
