import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type Gateway, nodePath, root, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { deployment, eventually } from './setup.ts'

const folder = mkdtempSync(join(tmpdir(), 'routeiq-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line to its end. */
function routeiq(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = folder): Promise<Ended> {
  return new Promise(resolve => {
    const all = {
      ...process.env,
      LITELLM_MASTER_KEY: undefined,
      CONFIG_FILE_PATH: undefined,
      NODE_ENV: undefined,
      ...env,
    }
    execFile(
      nodePath(),
      [join(root, 'src/cli/main.ts'), ...args],
      { cwd, env: all, timeout: 20_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
        resolve({ code, stdout, stderr })
      },
    )
  })
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const minimal = 'model_list:\n  - model_name: m\n    litellm_params: { model: demo/fast }\n'

describe('serve', () => {
  it('without a config: prints URL, key and a curl that works exactly as printed', async () => {
    const demo = await startGateway({ env: { LITELLM_MASTER_KEY: undefined } })
    const printed = demo.logs()
    const command = printed.slice(printed.indexOf('  curl '), printed.indexOf("'", printed.indexOf('-d ') + 4) + 1)
    expect(command).toContain(demo.url)
    const streamed = await bash(command)
    expect(streamed.stdout).toMatch(/^data: \{/)
    expect(streamed.stdout.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(streamed.stdout.match(/^data: /gm)!.length).toBeGreaterThan(8)
    const plain = await bash(command.replace(',"stream":true', ''))
    const answer = JSON.parse(plain.stdout) as { choices: { message: { content: string } }[] }
    expect(answer.choices[0]!.message.content).toContain('Hello')
    const key = /master key\s+(\S+)/.exec(printed)![1]!
    const models = (await send(`${demo.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).json!
    expect((models['data'] as { id: string }[]).map(({ id }) => id)).toEqual(['demo-fast', 'demo-smart', 'demo-tools'])
    await demo.stop()
  })

  it('with a key from the environment: the printed curl takes it from there', async () => {
    const demo = await startGateway({
      config: parse(minimal) as Json,
      bare: true,
      env: { LITELLM_MASTER_KEY: 'sk-env-key' },
    })
    const printed = demo.logs()
    expect(printed).not.toContain('sk-env-key')
    const command = printed.slice(printed.indexOf('  curl '), printed.indexOf("'", printed.indexOf('-d ') + 4) + 1)
    expect((await bash(command, { LITELLM_MASTER_KEY: 'sk-env-key' })).stdout).toContain('[DONE]')
    await demo.stop()
  })

  it('a config that is missing or bad ends the start with every problem and its place', async () => {
    const missing = await routeiq(['--config', 'nowhere.yaml', '--port', '0'])
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/nowhere\.yaml:1:1: error: cannot read the config: no such file/)
    const bad = file('bad.yaml', `${minimal}router_settings:\n  routing_stratgy: x\n  num_retries: many\nextra: 1\n`)
    const refused = await routeiq(['--config', bad, '--port', '0'])
    expect([refused.code, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr.trimEnd().split('\n')).toEqual([
      `${bad}:5:3: error: router_settings.routing_stratgy: unknown key; did you mean "routing_strategy"?`,
      expect.stringMatching(/bad\.yaml:6:16: error: router_settings\.num_retries: expected .*number/),
      expect.stringMatching(/bad\.yaml:7:1: error: extra: unknown key/),
      '3 errors in the config',
    ])
    const workers = await routeiq(['--config', bad, '--port', '0', '--num_workers', '2'])
    expect([workers.code, workers.stderr]).toEqual([1, refused.stderr])
    const vendor = await routeiq([
      '--config',
      file('vendor.yaml', minimal.replace('demo/fast', 'openai_like/x')),
      '--port',
      '0',
    ])
    expect([vendor.code, vendor.stderr]).toEqual([1, expect.stringContaining('api_base')])
    expect(vendor.stderr).not.toContain(' at ')
    const env = await routeiq(['--port', '0'], { CONFIG_FILE_PATH: bad })
    expect(env.code).toBe(1)
  })

  it('--allow_unknown_keys turns unknown keys into warnings', async () => {
    const path = file('unknown.yaml', `${minimal}router_settings:\n  invented_key: 1\n`)
    expect((await routeiq(['check', path])).code).toBe(1)
    const lenient = await routeiq(['check', path, '--allow_unknown_keys'])
    expect([lenient.code, lenient.stdout]).toEqual([0, expect.stringContaining('router_settings.invented_key')])
  })

  it('a port in use is a clear error, with one worker and with several', async () => {
    const upstream = await startUpstream()
    for (const workers of ['1', '2']) {
      const taken = await routeiq(['--port', String(upstream.port), '--host', '127.0.0.1', '--num_workers', workers])
      expect([taken.code, taken.stdout, taken.stderr], workers).toEqual([
        1,
        '',
        `routeiq: port ${upstream.port} is in use; choose another with --port\n`,
      ])
    }
    const nowhere = await routeiq(['--port', '0', '--host', '192.0.2.1'])
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      expect.stringMatching(/^routeiq: cannot listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\)/),
    ])
    await upstream.close()
  })

  it.each([
    ['--prot', '1'],
    ['--port', 'http'],
    ['--port', '70000'],
    ['--num_workers', '0'],
    ['bench', ''],
    ['check', ''],
  ])('misuse (%s %s) is answered with the usage and exit code 2', async (...args) => {
    const { code, stderr } = await routeiq(args.filter(Boolean))
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^routeiq: .*\n\nrouteiq \d.*Options of serve/s)])
  })

  it('SERVER_ROOT_PATH puts a prefix before every path', async () => {
    const prefixed = await startGateway({ config: parse(minimal) as Json, env: { SERVER_ROOT_PATH: 'ai/gateway/' } })
    const target = { url: `${prefixed.url}/ai/gateway`, key: prefixed.key }
    expect((await chat(target, 'm', 'hi')).status).toBe(200)
    expect((await chat(target, 'm', 'hi', {}, { path: '/engines/m/chat/completions' })).status).toBe(200)
    expect((await send(`${target.url}/health/readiness`)).status).toBe(200)
    expect((await send(target.url)).status).toBe(200)
    expect((await chat(prefixed, 'm', 'hi')).status).toBe(404)
    expect((await send(`${prefixed.url}/health/readiness`)).status).toBe(404)
    expect((await send(`${target.url}/v1/models`)).status).toBe(401)
    await prefixed.stop()
  })
})

describe('check and init', () => {
  const env = {
    OPENAI_API_KEY: 'sk-o',
    ANTHROPIC_API_KEY: 'sk-a',
    AZURE_API_KEY: 'az',
    AZURE_API_BASE: 'https://example.openai.azure.com',
    AZURE_API_VERSION: '2024-10-21',
    AZURE_RPM: '100',
    GEMINI_API_KEY: 'AI',
    LITELLM_MASTER_KEY: 'sk-m',
    REDIS_HOST: 'localhost',
    REDIS_PASSWORD: 'secret-of-redis',
    DATABASE_URL: 'postgresql://u:secret-of-db@h/d',
  }
  const configs = ['test/configs', 'examples'].flatMap(each =>
    readdirSync(join(root, each))
      .filter(name => name.endsWith('.yaml'))
      .map(name => join(root, each, name)),
  )

  it.each(configs)('%s loads unmodified', async path => {
    const { code, stdout, stderr } = await routeiq(['check', path], env)
    expect([code, stderr]).toEqual([0, ''])
    for (const group of (parse(readFileSync(path, 'utf8'), { merge: true }) as { model_list: { model_name: string }[] })
      .model_list) {
      expect(stdout).toContain(group.model_name)
    }
    for (const secret of ['secret-of-redis', 'secret-of-db', 'sk-o', 'sk-1234']) expect(stdout).not.toContain(secret)
  })

  it('check finds what only compiling finds, and warns of addresses the egress policy will refuse', async () => {
    const entry = (name: string, base: string) =>
      `  - model_name: ${name}\n    litellm_params: { model: openai/x, api_base: "${base}", api_key: k }\n`
    const list = `model_list:\n${entry('loop', 'http://localhost:11434/v1')}${entry('meta', 'http://169.254.169.254/v1')}${entry('open', 'http://10.1.2.3:8000/v1')}${entry('far', 'https://models.example.com/v1')}`
    const path = file('egress.yaml', `${list}routeiq:\n  egress: { allow_cidrs: [10.0.0.0/8] }\n`)
    const { code, stdout } = await routeiq(['check', path])
    expect(code).toBe(0)
    expect(stdout).toMatch(/loop .*localhost.*allow_hosts/)
    expect(stdout).toMatch(/meta .*169\.254\.169\.254.*\/32/)
    expect(stdout).not.toMatch(/10\.1\.2\.3.*not allowed|models\.example\.com.*not allowed/)
    const circle = file('circle.yaml', `${minimal}router_settings:\n  model_group_alias: { a: b, b: a }\n`)
    const refused = await routeiq(['check', circle])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('circle')])
  })

  it('init writes a config that check accepts and serve serves, and overwrites nothing', async () => {
    const written = await routeiq(['init', 'made.yaml'])
    expect([written.code, written.stdout]).toEqual([0, expect.stringContaining('routeiq check made.yaml')])
    const path = join(folder, 'made.yaml')
    expect((await routeiq(['check', 'made.yaml'])).code).toBe(0)
    const before = readFileSync(path, 'utf8')
    const again = await routeiq(['init', 'made.yaml'])
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('--force')])
    expect(readFileSync(path, 'utf8')).toBe(before)
    writeFileSync(path, 'mine')
    expect((await routeiq(['init', 'made.yaml', '--force'])).code).toBe(0)
    expect(readFileSync(path, 'utf8')).toBe(before)
    const served = await startGateway({ args: ['--config', path], env: { LITELLM_MASTER_KEY: 'sk-made' } })
    expect((await chat({ url: served.url, key: 'sk-made' }, 'demo', 'hi')).status).toBe(200)
    await served.stop()
  })

  it('prints version and help', async () => {
    expect((await routeiq(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect((await routeiq(['-h'])).stdout).toContain('--num_workers')
  })
})

describe('the end of a process', () => {
  let upstream: Upstream
  beforeAll(async () => {
    upstream = await startUpstream()
  })
  afterAll(() => upstream.close())
  const children: ChildProcess[] = []
  afterEach(() => {
    for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
  })

  async function started(
    workers: string,
  ): Promise<{ child: ChildProcess; exit: Promise<number | null>; target: Pick<Gateway, 'url' | 'key'> }> {
    const config = file(
      `drain-${workers}.yaml`,
      JSON.stringify({
        model_list: [deployment('m', upstream, 'm')],
        general_settings: { master_key: 'sk-drain' },
        routeiq: { egress: { allow_cidrs: ['127.0.0.1/32'] } },
      }),
    )
    const args = [
      join(root, 'src/cli/main.ts'),
      '-c',
      config,
      '--port',
      '0',
      '--host',
      '127.0.0.1',
      '--num_workers',
      workers,
    ]
    const child = spawn(nodePath(), args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const exit = new Promise<number | null>(resolve => child.once('exit', resolve))
    children.push(child)
    let output = ''
    child.stdout.on('data', text => {
      output += text
    })
    const url = await eventually(() => /listening on (\S+)/.exec(output)?.[1], 15_000)
    return { child, exit, target: { url, key: 'sk-drain' } }
  }

  it.each(['1', '2'])('SIGTERM lets a stream finish, takes nothing new, and exits 0 (%s workers)', async workers => {
    upstream.reset()
    upstream.fault('m', 'chunks=30,cadence=20')
    const { child, exit, target } = await started(workers)
    let begun: (() => void) | undefined
    const first = new Promise<void>(resolve => {
      begun = resolve
    })
    const words = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
    const streaming = chatStream(target, 'm', words, {}, { onEvent: () => begun?.() })
    await first
    child.kill('SIGTERM')
    await eventually(() => turnedAway(target.url), 2000)
    const answer = await streaming
    expect([answer.status, answer.end, contentOf(answer), answer.events.at(-1)!.data]).toEqual([
      200,
      'clean',
      `echo: ${words}`,
      '[DONE]',
    ])
    const endedAt = performance.now()
    expect(await exit).toBe(0)
    expect(performance.now() - endedAt, 'an idle keep-alive connection does not hold it up').toBeLessThan(3000)
  })

  it.each(['1', '2'])('a second SIGTERM ends at once (%s workers)', async workers => {
    upstream.reset()
    upstream.fault('m', 'hang')
    const { child, exit, target } = await started(workers)
    const hanging = chat(target, 'm', 'hi').catch((error: NodeJS.ErrnoException) => error.code)
    const request = await upstream.waitFor(entry => entry.model === 'm')
    child.kill('SIGTERM')
    await eventually(() => turnedAway(target.url), 2000)
    expect(child.exitCode).toBeNull()
    child.kill('SIGTERM')
    expect(await exit).toBe(130)
    expect(await hanging).toMatch(/ECONNRESET|EPIPE/)
    await upstream.waitFor(entry => entry === request && entry.abortedAt !== undefined)
  })
})

/**
 * True when a new connection is no longer served: refused, answered with 503, or left waiting (one that arrives in the
 * very moment in which the workers close is dropped by Node's cluster module only when the primary ends).
 */
async function turnedAway(url: string): Promise<true | undefined> {
  const options = { headers: { connection: 'close' }, signal: AbortSignal.timeout(300) }
  const answer = await send(`${url}/health/readiness`, options).catch(() => undefined)
  return answer === undefined || answer.status === 503 ? true : undefined
}

function bash(command: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise(resolve => {
    execFile(
      'bash',
      ['-c', `set -e; ${command.trim().replace(/^curl/, 'curl -sS')}`],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}
