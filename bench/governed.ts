import { connect } from 'node:net'
import { coreLayout } from './machine.ts'
import { freePort, hasCommand, type Program, startProgram, untilServed } from './program.ts'
import { Skipped, type SubjectContext } from './subjects.ts'

/** Every kind of limit there is, none of which is ever reached. */
const limits = {
  rpm_limit: 100_000_000,
  tpm_limit: 1_000_000_000_000,
  max_parallel_requests: 100_000,
  max_budget: 1_000_000,
  budget_duration: '30d',
}

/** A virtual key of a team and a user, each with all limits of its own. */
export async function makeGovernedKey(url: string, masterKey: string): Promise<string> {
  const make = async (path: string, body: object): Promise<Record<string, string>> => {
    const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' }
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: status ${response.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text) as Record<string, string>
  }
  const team = await make('/team/new', { team_alias: 'bench', models: ['gpt-4o-mini'], ...limits })
  const user = await make('/user/new', { user_id: 'bench-user', auto_create_key: false, ...limits })
  const owner = { team_id: team['team_id'], user_id: user['user_id'] }
  const { key } = await make('/key/generate', { key_alias: 'bench', ...owner, ...limits })
  return key ?? ''
}

/** Beside generator and mock: what it costs there is not the gateway's. @throws Skipped */
export async function startRedis({
  folder,
}: SubjectContext): Promise<{ readonly port: number; readonly program: Program }> {
  if (!hasCommand('redis-server'))
    throw new Skipped('redis-server is not installed (Debian: apt-get install redis-server)')
  const port = await freePort()
  const command = ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  const program = startProgram(command, { cores: coreLayout().load, folder, name: `redis-${port}` })
  await untilServed(async () => await answers(port), 5000)
  return { port, program }
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
