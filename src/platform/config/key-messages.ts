import type { z } from 'zod'
import { elementOf, optionsOf, shapeOf, unwrap } from './describe-type.ts'
import { nearestKey, reach } from './nearest-key.ts'
import { gatewayConfig } from './schema.ts'
import { type KeyInfo, sections } from './section.ts'

export function inactiveMessage(info: KeyInfo): string {
  if (info.status === 'ignored') return `has no effect here: ${info.description}`
  const enforced = info.control === true ? '; it is NOT enforced' : ''
  return `known, not active yet in this version${enforced}`
}

/** Says what was probably meant: the same word in its right section, or the nearest word in this one. */
export function unknownKeyMessage(name: string, siblings: readonly string[]): string {
  const homes = homesOf(name)
  if (homes.length > 0) return `unknown key; it belongs in ${homes.slice(0, 3).join(' or ')}`
  const meant = nearestKey(name, siblings, reach(name))
  if (meant !== undefined) return `unknown key; did you mean "${meant}"?`
  const elsewhere = nearestKey(name, homeIndex().keys(), reach(name))
  if (elsewhere !== undefined) return `unknown key; did you mean "${elsewhere}" in ${homesOf(elsewhere)[0] ?? ''}?`
  return 'unknown key; docs/config.md lists the known ones'
}

function homesOf(name: string): readonly string[] {
  return homeIndex().get(name) ?? []
}

let index: Map<string, string[]> | undefined

/** Key → sections that have it. Made when the first unknown key is met. */
function homeIndex(): Map<string, string[]> {
  if (!index) {
    index = new Map()
    collect(gatewayConfig, '', index)
  }
  return index
}

function collect(schema: z.core.$ZodType, path: string, into: Map<string, string[]>) {
  const type = unwrap(schema)
  const shape = shapeOf(type)
  if (!shape) {
    for (const option of optionsOf(type) ?? []) collect(option, path, into)
    const element = elementOf(type)
    if (element) collect(element, path, into)
    return
  }
  const home = path === '' ? 'the top level' : path
  for (const name of Object.keys(sections.get(type)?.keys ?? shape)) {
    const homes = into.get(name)
    if (homes) homes.push(home)
    else into.set(name, [home])
  }
  for (const [name, member] of Object.entries(shape)) collect(member, path === '' ? name : `${path}.${name}`, into)
}
