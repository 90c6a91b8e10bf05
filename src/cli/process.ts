import { generateMasterKey } from '../pipeline/identity/master-key.ts'
import { ConfigError } from '../platform/config/problem.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { Secret } from '../platform/security/secret.ts'
import type { ServeOptions } from './arguments.ts'
import type { Runtime } from './runtime.ts'

/** The key callers need: configured, or made now. A configured `general_settings.master_key` beats both. */
export function startKey(env: NodeJS.ProcessEnv): { readonly key: Secret; readonly generated: string | undefined } {
  const configured = env['LITELLM_MASTER_KEY']
  if (configured !== undefined && configured !== '') return { key: new Secret(configured), generated: undefined }
  const generated = generateMasterKey()
  return { key: new Secret(generated), generated }
}

/** Ends a start that cannot go on, with the reason. */
export function exitWith(text: string): never {
  process.stderr.write(text)
  process.exit(1)
}

type Fail = (text: string) => Promise<never> | never

export async function listen({ app }: Runtime, options: ServeOptions, fail: Fail = exitWith): Promise<string> {
  try {
    await app.listen({ port: options.port, host: options.host, backlog: 2048 })
  } catch (error) {
    const { code } = error as { code?: string }
    const reason =
      code === 'EADDRINUSE'
        ? `port ${options.port} is in use; choose another with --port`
        : `cannot listen on ${options.host}:${options.port} (${code ?? 'unknown reason'})`
    return await fail(`routeiq: ${reason}\n`)
  }
  return urlOf(options.host, (app.server.address() as { port: number }).port)
}

export function urlOf(address: string, port: number): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A config that cannot be used ends the start with everything that is wrong with it. */
export async function orExit<T>(start: () => Promise<T>, fail: Fail = exitWith): Promise<T> {
  try {
    return await start()
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return await fail(`${error instanceof ConfigError ? error.format() : `routeiq: ${error.message}`}\n`)
  }
}

/** Runs `stop` on the first SIGTERM or SIGINT; a second one ends at once, after `hurry`. */
export function onStop(stop: () => Promise<void>, hurry?: () => void): void {
  let stopping = false
  const signalled = (): void => {
    if (stopping) {
      hurry?.()
      process.exit(130)
    }
    stopping = true
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', signalled)
  process.on('SIGINT', signalled)
}
