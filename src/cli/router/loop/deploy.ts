import { readFileSync } from 'node:fs'
import type { Command } from '../command.ts'
import { decimal, Misuse, readOptions } from '../misuse.ts'
import { AdminClient, adminOptions, adminUsage } from './admin-client.ts'
import { toldState } from './state-text.ts'

const usage = `routeiq router deploy <artifact>: bring an artifact into a gateway that runs

  It is uploaded and checked, then rolled out: shadow, canary, active, by itself as long as no guard objects.

  --shares <numbers>       steps, comma-separated; 0 is the shadow (default: of the gateway, 0,0.01,0.05,0.25,1)
  --by-hand                every step waits for routeiq router advance
  --activate               into force at once, without a rollout
  --upload-only            it decides nothing yet
  --force                  although it is older than the one in force
${adminUsage}`

const options = {
  shares: { type: 'string' },
  'by-hand': { type: 'boolean' },
  activate: { type: 'boolean' },
  'upload-only': { type: 'boolean' },
  force: { type: 'boolean' },
  ...adminOptions,
} as const

export const deployCommand: Command = {
  usage,
  async run(argv, env, output) {
    const { values, positionals } = readOptions(argv, options)
    const [path, ...rest] = positionals
    if (path === undefined || rest.length > 0) throw new Misuse('give one artifact')
    const shares = values.shares?.split(',').map(share => decimal('shares', share, 0, 0, 1))
    const client = new AdminClient(values, env)
    const artifact = readFileSync(path).toString('base64')
    const stored = await client.json('POST', '/artifacts', { router: client.router, artifact })
    const id = String(stored['id'])
    output.err(`${path}: uploaded as ${id.slice(0, 12)}\n`)
    if (values['upload-only'] === true) return 0
    const force = values.force === true
    const state =
      values.activate === true
        ? await client.json('POST', client.path('/activate'), { artifact: id, force })
        : await client.json('POST', client.path('/rollout'), {
            artifact: id,
            force,
            automatic: values['by-hand'] !== true,
            ...(shares !== undefined && { shares }),
          })
    output.out(toldState(state))
    return 0
  },
}
