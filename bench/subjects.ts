import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { nodePath, root } from '../test/harness/gateway.ts'
import { makeGovernedKey, startRedis } from './governed.ts'
import { benchArtifactPath, learnedConfig } from './learned.ts'
import type { CoreLayout } from './machine.ts'
import { freePort, hasCommand, type Program, startProgram, untilServed } from './program.ts'

export type SubjectId =
  | 'direct'
  | 'nginx'
  | 'bare-relay'
  | 'gateway'
  | 'gateway-2'
  | 'four-models'
  | 'routeiq-auto'
  | 'governed'
  | 'governed-redis'
  | 'portkey'
  | 'portkey-streams'

/** Something that relays chat completions to the mock upstream. */
export interface Subject {
  readonly id: SubjectId
  readonly name: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Undefined for the direct row: then the mock itself is the subject. */
  readonly program: Program | undefined
  /** Milliseconds from spawning to the first answer. */
  readonly coldStart: number | undefined
  /** Ends what was started for this subject alone. */
  readonly release?: () => Promise<void>
  /** Why streams are not measured; undefined when a whole one came through. */
  readonly streamDefect: string | undefined
}

export interface SubjectContext {
  readonly upstream: string
  readonly folder: string
  readonly layout: CoreLayout
  /** Runs the gateway from `src/` instead of `dist/`. */
  readonly sources: boolean
}

/** Why a row is left out, and what to do about it. */
export class Skipped extends Error {}

export const subjectNames: Record<SubjectId, string> = {
  direct: 'direct to mock',
  nginx: 'nginx proxy_pass',
  'bare-relay': 'bare node:http + undici relay',
  gateway: 'this gateway, 1 worker',
  'gateway-2': 'this gateway, 2 workers',
  'four-models': 'this gateway, four models drawn by simple-shuffle',
  'routeiq-auto': 'the same four, every call decided by routeiq-auto',
  governed: 'this gateway, key of team and user, all limits, ledger',
  'governed-redis': 'the same with its limits in Redis',
  portkey: 'Portkey gateway, as npm installs it',
  'portkey-streams': 'Portkey, server pinned to 1.12.0',
}

export const requestBody = (stream: boolean): string => {
  const filler = 'Summarise the following paragraph in two sentences for a busy reader. '
  const request = {
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: filler.repeat(13) },
    ],
    temperature: 0.7,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  }
  return JSON.stringify(request)
}

/** @throws Skipped when the subject is not available here. */
export async function startSubject(id: SubjectId, context: SubjectContext, cores?: string): Promise<Subject> {
  const { upstream, folder, layout } = context
  const one = cores ?? layout.one
  switch (id) {
    case 'direct':
      return {
        id,
        name: subjectNames[id],
        url: upstream,
        headers: auth('sk-bench'),
        program: undefined,
        coldStart: undefined,
        streamDefect: undefined,
      }
    case 'nginx': {
      if (!hasCommand('nginx')) throw new Skipped('nginx is not installed (Debian: apt-get install nginx-light)')
      const port = await freePort()
      const file = writeNginxConfig(folder, port, upstream)
      return started(
        id,
        port,
        auth('sk-bench'),
        ['nginx', '-p', folder, '-e', 'nginx-error.log', '-c', file],
        one,
        folder,
      )
    }
    case 'bare-relay': {
      const port = await freePort()
      const script = plainRelay()
      return started(
        id,
        port,
        auth('sk-bench'),
        [nodePath(), script, '--port', String(port), '--upstream', upstream],
        one,
        folder,
      )
    }
    case 'gateway':
    case 'gateway-2': {
      const command = gatewayCommand(context.sources)
      const port = await freePort()
      const key = 'sk-bench-master'
      const config = join(folder, `${id}.yaml`)
      writeFileSync(config, gatewayConfig(upstream, key))
      const args = ['--config', config, '--port', String(port), '--host', '127.0.0.1']
      if (id === 'gateway-2') args.push('--num_workers', '2')
      return started(id, port, auth(key), [...command, ...args], id === 'gateway-2' ? layout.two : one, folder)
    }
    case 'four-models':
    case 'routeiq-auto': {
      const port = await freePort()
      const key = 'sk-bench-master'
      const config = join(folder, `${id}.yaml`)
      const learned = id === 'routeiq-auto'
      const path = learned ? await benchArtifactPath() : undefined
      writeFileSync(config, learnedConfig(upstream, key, path, undefined, learned ? 'routeiq-auto' : 'simple-shuffle'))
      const args = ['--config', config, '--port', String(port), '--host', '127.0.0.1']
      return started(id, port, auth(key), [...gatewayCommand(context.sources), ...args], one, folder)
    }
    case 'governed':
    case 'governed-redis': {
      const redis = id === 'governed-redis' ? await startRedis(context) : undefined
      const key = 'sk-bench-master'
      const config = join(folder, `${id}.yaml`)
      writeFileSync(config, gatewayConfig(upstream, key, redis?.port))
      const port = await freePort()
      const args = ['--config', config, '--port', String(port), '--host', '127.0.0.1']
      const env = { ROUTEIQ_DATA_DIR: mkdtempSync(join(folder, `${id}-`)) }
      const release = async (): Promise<void> => redis?.program.stop()
      try {
        const plain = await started(
          id,
          port,
          auth(key),
          [...gatewayCommand(context.sources), ...args],
          one,
          folder,
          env,
        )
        const headers = auth(await makeGovernedKey(plain.url, key))
        return { ...plain, headers, release }
      } catch (error) {
        await release()
        throw error
      }
    }
    case 'portkey':
    case 'portkey-streams': {
      const script = installPortkey(id === 'portkey' ? undefined : portkeyServerVersion)
      const port = await freePort()
      const headers = { ...auth('sk-bench'), 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstream}/v1` }
      // Its guard against private addresses names exceptions by host.
      const env = { TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' }
      return started(id, port, headers, [nodePath(), script, `--port=${port}`, '--headless'], one, folder, env)
    }
  }
}

function auth(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
}

async function started(
  id: SubjectId,
  port: number,
  headers: Record<string, string>,
  command: string[],
  cores: string,
  folder: string,
  env?: NodeJS.ProcessEnv,
): Promise<Subject> {
  const url = `http://127.0.0.1:${port}`
  const program = startProgram(command, { cores, folder, name: id, env })
  let lastStatus = 'no connection'
  try {
    const coldStart = await untilServed(async () => {
      const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: requestBody(false) })
      const text = await response.text()
      lastStatus = `status ${response.status}: ${text.slice(0, 200)}`
      return response.status === 200
    }, 15_000)
    const streamDefect = await probeStream(url, headers)
    return { id, name: subjectNames[id], url, headers, program, coldStart, streamDefect }
  } catch (error) {
    await program.stop()
    const log = readFileSync(join(folder, `${id}.log`), 'utf8').slice(-600)
    throw new Skipped(
      `${error instanceof Error ? error.message : String(error)} (${lastStatus}) ${log.replaceAll('\n', ' ')}`,
    )
  }
}

/** The built program, as users run it; `--sources` measures the sources instead. */
function gatewayCommand(sources: boolean): string[] {
  const script = join(root, sources ? 'src/cli/main.ts' : 'dist/cli/main.js')
  if (!existsSync(script))
    throw new Skipped(`${sources ? 'src/cli/main.ts' : 'dist/cli/main.js'} does not exist (\`npm run build\`)`)
  return [nodePath(), script]
}

/** The relay without its types, so that no TypeScript loader weighs on its memory or start. */
function plainRelay(): string {
  const folder = join(root, 'node_modules/.cache/bench-relay')
  mkdirSync(folder, { recursive: true })
  const script = join(folder, 'bare-relay.mjs')
  writeFileSync(script, stripTypeScriptTypes(readFileSync(join(root, 'bench/bare-relay.ts'), 'utf8')))
  return script
}

/** Two deployments of one model group, a price, a master key: routing, auth, cost and metrics are on; no log per call. */
function gatewayConfig(upstream: string, key: string, redisPort?: number): string {
  const deployment = (id: string): object => ({
    model_name: 'gpt-4o-mini',
    litellm_params: { model: 'openai/gpt-4o-mini', api_base: `${upstream}/v1`, api_key: 'sk-bench' },
    model_info: { id },
  })
  return stringify({
    model_list: [deployment('bench-a'), deployment('bench-b')],
    router_settings: {
      routing_strategy: 'simple-shuffle',
      num_retries: 2,
      ...(redisPort === undefined ? {} : { redis_host: '127.0.0.1', redis_port: redisPort }),
    },
    litellm_settings: { callbacks: ['prometheus'] },
    general_settings: { master_key: key },
    routeiq: { egress: { allow_cidrs: ['127.0.0.0/8'] }, log_level: 'warn' },
  })
}

async function probeStream(url: string, headers: Record<string, string>): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: requestBody(true) })
  const text = await response.text()
  if (response.status === 200 && text.trimEnd().endsWith('data: [DONE]')) return undefined
  return `streams fail: status ${response.status}: ${text.slice(0, 120)}`
}

function writeNginxConfig(folder: string, port: number, upstream: string): string {
  const file = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  for (const name of temporary) mkdirSync(join(folder, `nginx-${name}`), { recursive: true })
  writeFileSync(
    file,
    `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  error_log ${folder}/nginx-error.log;
${temporary.map(name => `  ${name}_temp_path ${folder}/nginx-${name};`).join('\n')}
  keepalive_requests 1000000000;
  upstream mock { server ${new URL(upstream).host}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`,
  )
  return file
}

const portkeyVersion = '1.15.2'
/**
 * Portkey 1.15.2 asks for `^1.3.3` of this server; with 1.14.4 and later every streamed answer is a 500 ("immutable
 * headers"). An older one in its range makes it work, so that the comparison meets it in good health.
 */
const portkeyServerVersion = '1.12.0'

/** Portkey's gateway is installed outside the project, once per version; it is never a dependency. */
function installPortkey(serverVersion: string | undefined): string {
  const folder = join(root, 'node_modules/.cache/bench-portkey', `${portkeyVersion}-${serverVersion ?? 'as-is'}`)
  const script = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  if (existsSync(script)) return script
  if (process.env['BENCH_OFFLINE'] === '1') throw new Skipped('not installed and BENCH_OFFLINE=1')
  mkdirSync(folder, { recursive: true })
  const overrides = serverVersion === undefined ? {} : { '@hono/node-server': serverVersion }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }))
  try {
    const args = ['install', `@portkey-ai/gateway@${portkeyVersion}`, '--no-audit', '--no-fund', '--ignore-scripts']
    execFileSync('npm', args, { cwd: folder, stdio: 'ignore', timeout: 120_000 })
  } catch {
    throw new Skipped(`npm could not install @portkey-ai/gateway@${portkeyVersion} (no network?)`)
  }
  return script
}
