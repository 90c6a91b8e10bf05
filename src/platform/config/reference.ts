import type { z } from 'zod'
import { defaultDeploymentParams, deploymentParams } from './deployment-params.ts'
import { describeType, elementOf, optionsOf, shapeOf, unwrap } from './describe-type.ts'
import { referenceIntroduction } from './reference-introduction.ts'
import { gatewayConfig } from './schema.ts'
import { type KeyInfo, sections } from './section.ts'

/** The reference page, `docs/config.md`, made from the one schema. */
export function configReference(): string {
  const parts = [referenceIntroduction, '## Every key\n']
  section(gatewayConfig, '', parts, new Set())
  return `${parts.join('\n')}`
}

function section(schema: z.core.$ZodType, path: string, parts: string[], done: Set<z.core.$ZodType>) {
  const type = unwrap(schema)
  const shape = shapeOf(type)
  if (!shape) {
    const element = elementOf(type)
    if (element) section(element, `${path}${path.endsWith('[]') || !isList(type) ? '.<name>' : '[]'}`, parts, done)
    for (const option of optionsOf(type) ?? []) section(option, path, parts, done)
    return
  }
  if (type === defaultDeploymentParams) {
    parts.push(`### \`${path}\`\n`, 'The keys of `model_list[].litellm_params`, none of them required.\n')
    return
  }
  if (done.has(type)) {
    parts.push(`### \`${path}\`\n`, 'Same keys as in the section of this name above.\n')
    return
  }
  done.add(type)
  const shared = type === deploymentParams ? {} : (sections.get(deploymentParams)?.keys ?? {})
  const infos = Object.entries(sections.get(type)?.keys ?? {}).filter(([name, info]) => shared[name] !== info)
  parts.push(`### ${path === '' ? 'Top level' : `\`${path}\``}\n`)
  if (type === deploymentParams) {
    parts.push(
      'Keys that are not listed are sent to the vendor as request fields, unless they look like a misspelt known key.\n',
    )
  } else if (sections.get(type)?.open === true) {
    parts.push(
      'Price and capability keys (`…_cost…`, `supports_…`) of `litellm_params` may stand here too. Further keys are kept as notes of your own.\n',
    )
  }
  parts.push(activeTable(infos, shape))
  const rest = infos.filter(([, info]) => info.status !== 'active')
  if (rest.length > 0) parts.push(inactiveTable(rest))
  for (const [name, member] of Object.entries(shape)) {
    section(member, path === '' ? name : `${path}.${name}`, parts, done)
  }
}

function isList(type: z.core.$ZodType): boolean {
  return describeType(type).startsWith('list')
}

function activeTable(infos: readonly [string, KeyInfo][], shape: Readonly<Record<string, z.core.$ZodType>>): string {
  const rows = infos
    .filter(([, info]) => info.status === 'active')
    .map(([name, info]) => {
      const member = shape[name]
      const type = member ? describeType(member) : ''
      const unit = info.unit === undefined ? '' : `, ${info.unit}`
      return row([`\`${name}\``, `${type}${unit}`, defaultText(info, member), 'active', info.description])
    })
  return `${[row(['Key', 'Type', 'Default', 'Status', 'Meaning']), '|---|---|---|---|---|', ...rows].join('\n')}\n`
}

function inactiveTable(infos: readonly [string, KeyInfo][]): string {
  const rows = infos.map(([name, info]) => {
    const status = info.status === 'later' ? 'later' : 'ignored'
    return row([`\`${name}\``, status, info.description])
  })
  const head = '<details><summary>Known, without effect in this version (using one gives a warning)</summary>\n'
  return `${[head, row(['Key', 'Status', 'Meaning']), '|---|---|---|', ...rows].join('\n')}\n\n</details>\n`
}

function defaultText(info: KeyInfo, member: z.core.$ZodType | undefined): string {
  if (info.default !== undefined) return `\`${JSON.stringify(info.default)}\``
  return member && !isOmittable(member) ? 'required' : '–'
}

function isOmittable(schema: z.core.$ZodType): boolean {
  const { type } = schema._zod.def
  return type === 'optional' || type === 'default' || type === 'prefault'
}

function row(cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
