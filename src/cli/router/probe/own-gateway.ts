import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { DatasetError } from '../../../learning/dataset/problems.ts'
import { loadConfig } from '../../../platform/config/load.ts'

export interface OwnGateway {
  readonly url: string
  readonly key: string
  stop(): Promise<void>
}

const startTimeout = 30_000
const stopTimeout = 5_000

/** A gateway with this config for the time of a probe, on a free port of this machine. @throws DatasetError */
export async function startOwnGateway(config: string, env: NodeJS.ProcessEnv): Promise<OwnGateway> {
  const loaded = await loadConfig(config, { env })
  const key =
    loaded.config.general_settings.master_key?.reveal() ??
    env['LITELLM_MASTER_KEY'] ??
    `sk-${randomBytes(18).toString('base64url')}`
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      process.argv[1] ?? '',
      'serve',
      '--config',
      config,
      '--port',
      '0',
      '--host',
      '127.0.0.1',
      '--num_workers',
      '1',
    ],
    { env: { ...env, LITELLM_MASTER_KEY: key }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const stop = (): Promise<void> => ended(child)
  try {
    return { url: await listening(child, config), key, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function listening(child: ChildProcess, config: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let told = ''
    const fail = (what: string): void =>
      reject(new DatasetError(`the gateway of ${config} ${what}:\n${told.slice(-2000)}`))
    const timer = setTimeout(() => fail(`did not start within ${startTimeout / 1000} s`), startTimeout)
    const hear = (chunk: Buffer): void => {
      told = (told + chunk.toString()).slice(-20_000)
      const url = /listening on (https?:\/\/[^\s"]+)/.exec(told)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.once('error', error => fail(`could not be started (${error.message})`))
    child.once('exit', () => {
      clearTimeout(timer)
      fail('ended')
    })
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>(resolve => {
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeout)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}
