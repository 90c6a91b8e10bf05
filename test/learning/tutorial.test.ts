import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../control/setup.ts'
import { nodePath, root } from '../harness/gateway.ts'
import { freePort } from '../harness/services/service.ts'

// The tutorial, as it stands in the document: its blocks for both terminals, in their order, in a folder that has nothing
// but the examples. Only the port is another one, and `npx routeiq` and `npm start` run the sources instead of the build.

const document = readFileSync(join(root, 'docs/tutorial-learned-routing.md'), 'utf8')
const blocks = [...document.matchAll(/^```sh terminal=(\d)\n([\s\S]*?)^```$/gm)].map(([, terminal, commands]) => ({
  terminal: Number(terminal),
  commands: String(commands),
}))

let folder: string
let port: number
const started: ChildProcess[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-tutorial-'))
  cpSync(join(root, 'examples'), join(folder, 'examples'), { recursive: true })
  port = await freePort()
})
afterAll(async () => {
  await Promise.all(started.map(ended))
  rmSync(folder, { recursive: true, force: true })
})

/** The whole group: the gateway is a child of its shell. */
async function ended(shell: ChildProcess): Promise<void> {
  if (shell.exitCode !== null || shell.signalCode !== null || shell.pid === undefined) return
  const exited = new Promise(resolve => shell.once('exit', resolve))
  process.kill(-shell.pid, 'SIGTERM')
  await exited
}

const program = `'${nodePath()}' '${join(root, 'src/cli/main.ts')}'`
const prelude = `set -e
npx() { [ "$1" = routeiq ] || exit 97; shift; ${program} "$@"; }
npm() { [ "$1 $2" = 'start --' ] || exit 98; shift 2; exec ${program} "$@"; }
`

interface Terminal {
  readonly shell: ChildProcess
  readonly said: () => string
}

function terminal(number: number): Terminal {
  const script = blocks
    .filter(block => block.terminal === number)
    // What a block prints is found again by its number.
    .map(
      ({ commands }, index) =>
        `echo "=== block ${index + 1}"\n${commands.replaceAll('localhost:4000', `localhost:${port}`)}`,
    )
    .join('\n')
  const { LITELLM_MASTER_KEY: _one, ROUTEIQ_API_KEY: _other, ROUTEIQ_DATA_DIR: _folder, ...env } = process.env
  const shell = spawn('bash', ['-c', `${prelude}${script}\necho "=== end"`], {
    cwd: folder,
    env: { ...env, PORT: String(port), NODE_ENV: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  started.push(shell)
  let said = ''
  for (const stream of [shell.stdout, shell.stderr]) stream?.on('data', chunk => (said += String(chunk)))
  return { shell, said: () => said }
}

/** Trains twice and cross-validates: half a minute of an idle processor, minutes of a busy one. */
const patience = 400_000

it('every command does what the page says, to the end', { timeout: patience }, async () => {
  expect(blocks.filter(block => block.terminal === 1)).toHaveLength(1)
  const gateway = terminal(1)
  await eventually(() => {
    if (gateway.shell.exitCode !== null) throw new Error(gateway.said())
    return gateway.said().includes('listening on') || undefined
  }, 30_000)
  const person = terminal(2)
  const code = await new Promise(resolve => person.shell.once('exit', resolve))
  const said = person.said()
  expect(code, said).toBe(0)

  const sections = said.split(/^=== .*\n/m).slice(1)
  const section = (title: RegExp): string => sections.find(text => title.test(text)) ?? `no output fits ${title}`
  expect(section(/x-routeiq-reason: no artifact yet: drawn evenly/)).toMatch(/x-litellm-model-group: demo-/)
  expect(section(/^data: .* cross-validation/m)).toContain('gate: passed')
  expect(readFileSync(join(folder, 'tutorial/report.html'), 'utf8')).toContain('<polyline class="router"')
  const rollout = section(/shadow → canary_25/)
  expect(rollout).not.toContain('guard feedback')
  expect(rollout).toMatch(/^default: (canary_100|active)/m)

  const together = [...said.matchAll(/^together +(\d+) calls +(\d+) % liked +\$([\d.]+)/gm)].map(
    ([, calls, liked, cost]) => ({
      calls: Number(calls),
      liked: Number(liked),
      cost: Number(cost),
    }),
  )
  const [before, after] = [together.find(({ calls }) => calls === 2000), together.find(({ calls }) => calls === 1000)]
  // Six of ten at random; nine of ten is the most that people who are hard to please can be given.
  expect(before?.liked).toBeLessThan(70)
  expect(after?.liked).toBeGreaterThan(80)
  expect(after?.cost).toBeLessThan(1.3 * Number(before?.cost))

  const explained = section(/candidates: \[/)
  expect(explained).toContain('x-routeiq-model: demo/smart')
  expect(explained).toContain("chosen: 'demo-smart'")
  expect(said).toContain('canary_50 → active: the first one is good enough')
  expect(said.trimEnd().split('\n').at(-1)).toBe('=== end')
})

it('shows a picture and links to what exists', () => {
  for (const [, target] of document.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
    expect(existsSync(join(root, 'docs', String(target))), String(target)).toBe(true)
  }
})
