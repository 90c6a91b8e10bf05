import { isObject } from '../../../learning/dataset/fields.ts'
import type { Command } from '../command.ts'
import { Misuse, readOptions } from '../misuse.ts'
import { AdminClient, adminOptions, adminUsage } from './admin-client.ts'
import { toldState } from './state-text.ts'

/** Transitions that `status` shows. */
const shownTransitions = 8

export const statusCommand: Command = {
  usage: `routeiq router status: what decides in a gateway, how far a rollout is, and what its guards say

  --json                   as JSON
${adminUsage}`,
  async run(argv, env, output) {
    const { values, positionals } = readOptions(argv, { json: { type: 'boolean' }, ...adminOptions } as const)
    if (positionals.length > 0) throw new Misuse(`unexpected argument: ${positionals[0]}`)
    const client = new AdminClient(values, env)
    const state = await client.json('GET', client.path())
    if (values.json === true) {
      output.out(`${JSON.stringify(state)}\n`)
      return 0
    }
    const { data } = await client.json('GET', client.path(`/transitions?limit=${shownTransitions}`))
    const history = (Array.isArray(data) ? data : []).filter(isObject).reverse()
    const told = history.map(
      ({ at, from, to, reason }) => `  ${String(at)}  ${String(from)} → ${String(to)}: ${String(reason)}\n`,
    )
    output.out(`${toldState(state)}${told.join('')}`)
    return 0
  },
}

export const advanceCommand = change('advance', 'move a rollout to its next step now')

export const rollbackCommand = change(
  'rollback',
  'take a candidate back; without one, the artifact before the one in force comes back',
)

export const deactivateCommand = change(
  'deactivate',
  'take the artifact out of force; what is configured decides again',
)

function change(action: 'advance' | 'rollback' | 'deactivate', does: string): Command {
  return {
    usage: `routeiq router ${action}: ${does}

  --reason <text>          for the record
${adminUsage}`,
    async run(argv, env, output) {
      const { values, positionals } = readOptions(argv, { reason: { type: 'string' }, ...adminOptions } as const)
      if (positionals.length > 0) throw new Misuse(`unexpected argument: ${positionals[0]}`)
      const client = new AdminClient(values, env)
      const body = values.reason === undefined ? {} : { reason: values.reason }
      output.out(toldState(await client.json('POST', client.path(`/${action}`), body)))
      return 0
    },
  }
}
