import type { CallFacts } from '../../governance/authorization/policy/conditions.ts'
import { isRecord } from '../../governance/objects/settings.ts'
import type { Snapshot } from '../snapshot.ts'

const most = 1000

/** What policies ask of a call: its models under every name they go by, the tools it offers, its tags. */
export function callFacts(
  snapshot: Snapshot,
  names: readonly string[],
  body: Readonly<Record<string, unknown>>,
  tags: readonly string[],
): CallFacts {
  const models = new Set<string>()
  const choices = new Set<string>()
  for (const name of names) {
    models.add(name)
    const group = snapshot.router.resolve(name)
    if (group !== undefined) {
      models.add(group.name)
      // A deployment may be called by its id: the group it belongs to counts all the same.
      const behind = group.strategy === undefined ? models : choices
      for (const deployment of group.deployments) behind.add(deployment.group)
    }
  }
  return { models: [...models], choices: [...choices], tools: toolNames(body), tags }
}

/** OpenAI's `tools` and `functions`, Anthropic's `tools`; a tool of the vendor's goes by its type (`web_search`). */
function toolNames(body: Readonly<Record<string, unknown>>): string[] {
  const names: string[] = []
  for (const field of ['tools', 'functions']) {
    const list = body[field]
    if (!Array.isArray(list)) continue
    for (const tool of list.slice(0, most)) {
      if (!isRecord(tool)) continue
      const inner = isRecord(tool['function']) ? tool['function'] : tool
      for (const name of [inner['name'], tool['type'] === 'function' ? undefined : tool['type']]) {
        if (typeof name === 'string') names.push(name)
      }
    }
  }
  return names
}
