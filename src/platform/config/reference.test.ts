import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { Secret } from '../security/secret.ts'
import { describeType, elementOf, optionsOf, shapeOf, unwrap } from './describe-type.ts'
import { configJsonSchema } from './json-schema.ts'
import { parseConfig } from './load.ts'
import { configReference } from './reference.ts'
import { gatewayConfig } from './schema.ts'
import { sections } from './section.ts'

const docs = new URL('../../../docs/', import.meta.url)

describe('generated documents are current (else: node scripts/generate-config-docs.ts)', () => {
  it('docs/config.md', async () => {
    expect(await readFile(new URL('config.md', docs), 'utf8')).toBe(configReference())
  })
  it('docs/config.schema.json', async () => {
    const schema: unknown = JSON.parse(await readFile(new URL('config.schema.json', docs), 'utf8'))
    expect(schema).toEqual(JSON.parse(JSON.stringify(configJsonSchema())))
  })
})

interface Found {
  readonly path: string[]
  readonly schema: z.core.$ZodType
}

/** Every active key with a value of its own, list items and map entries under a made-up name. */
function* leaves(schema: z.core.$ZodType, path: string[]): Generator<Found> {
  const type = unwrap(schema)
  const shape = shapeOf(type)
  const element = elementOf(type)
  const object = optionsOf(type)?.find(option => shapeOf(unwrap(option)))
  if (shape) for (const [name, member] of Object.entries(shape)) yield* leaves(member, [...path, name])
  else if (object) yield* leaves(object, path)
  else if (element && (shapeOf(unwrap(element)) || optionsOf(unwrap(element))?.some(option => shapeOf(unwrap(option)))))
    yield* leaves(element, [...path, describeType(type).startsWith('list') ? '0' : 'entry'])
  else yield { path, schema: type }
}

function sample(schema: z.core.$ZodType): unknown {
  const words = describeType(schema)
  if (words.startsWith('"')) return words.split('"').at(-2)
  if (words.startsWith('list of (map')) return [{ m: ['m'] }]
  if (words.startsWith('list of ("')) return [words.split('"').at(-2)]
  if (words.startsWith('list of (whole number')) return [443]
  if (words.startsWith('list of (number')) return [1]
  if (words.startsWith('list')) return ['m']
  if (words === 'map of (number)') return { m: 7 }
  if (words.startsWith('map')) return { m: 'm' }
  if (words === 'number' || words === 'whole number') {
    return [7, 1, 0.02, -1, 1_000_000_000].find(value => (schema as z.ZodType).safeParse(value).success)
  }
  const byWords: Record<string, unknown> = { text: 'm', 'true or false': true }
  return byWords[words] ?? 'any'
}

/** Texts of a form that `m` does not have. */
const samples: Readonly<Record<string, unknown>> = {
  endpoint: 'https://m',
  url: 'https://m',
  budget_duration: '1d',
  time_period: '1d',
  timezone: 'UTC',
  budget_reset_time: '06:00',
  budget_exceeded_throttle_percentage: 0.1,
}

/** What else a map needs beside the key that is looked at. */
const companions: Readonly<Record<string, Record<string, unknown>>> = {
  rules: { name: 'm', models: ['m'] },
  intents: { name: 'm', models: ['m'], examples: ['m'] },
  keyword_tier_rules: { keywords: ['m'], tier: 'SIMPLE' },
  min_quality_of: { model: 'm', share: 1 },
  quality_floor: { model: 'm', margin: 1 },
  adaptive_router_config: { available_models: ['m'] },
  pipelines: { router: 'm', schedule: '0 3 * * *', dataset: 'm' },
}

/** What else an entry of `routeiq.audit.sinks` needs. */
function completeSink(path: readonly string[]): unknown {
  const kinds: Record<string, unknown> = {
    s3: { bucket: 'm', server_side_encryption: 'aws:kms' },
    kafka: {
      brokers: ['m'],
      topic: 'm',
      ...(path.includes('sasl') && { sasl: { mechanism: 'PLAIN', username: 'm', password: 'm', token: 'm' }, tls: {} }),
    },
    webhook: { url: 'https://m' },
  }
  const kind = path.find(part => part in kinds) ?? 'webhook'
  return { name: 'm', [kind]: kinds[kind] }
}

describe('every active key', () => {
  const found = [...leaves(gatewayConfig, [])].filter(({ path }) => path[0] !== 'include')
  it('is described, and so is every inactive one', () => {
    const seen = new Set<z.core.$ZodType>()
    const visit = (schema: z.core.$ZodType) => {
      const type = unwrap(schema)
      if (seen.has(type)) return
      seen.add(type)
      const info = sections.get(type)
      for (const [name, { description }] of Object.entries(info?.keys ?? {})) {
        expect(description.length, name).toBeGreaterThan(5)
      }
      for (const inner of [...Object.values(shapeOf(type) ?? {}), ...(optionsOf(type) ?? []), elementOf(type)]) {
        if (inner) visit(inner)
      }
    }
    visit(gatewayConfig)
    expect(seen.size).toBeGreaterThan(20)
  })
  it.each(found.map(({ path, schema }) => [path.join('.'), path, schema] as const))(
    '%s reaches the config',
    (_, path, schema) => {
      const value = samples[path.at(-1) ?? ''] ?? sample(schema)
      const entry = { model_name: 'm', litellm_params: { model: 'x' } }
      const tree: Record<string, unknown> = { model_list: [structuredClone(entry)] }
      const set = (at: string[], to: unknown) => {
        let current: Record<string, unknown> = tree
        for (const [index, part] of at.slice(0, -1).entries()) {
          current[part] ??= at[index + 1] === '0' ? [] : {}
          current = current[part] as Record<string, unknown>
        }
        current[at.at(-1) as string] = to
      }
      if (path.includes('redis_startup_nodes')) set(path.slice(0, -2), [{ host: 'm', port: 1 }])
      if (path.includes('sinks')) set(path.slice(0, -path.length + path.indexOf('sinks') + 1), [completeSink(path)])
      if (path.includes('access_policies')) set(path.slice(0, 3), { name: 'm', effect: 'deny' })
      if (path.includes('user_header_mappings'))
        set(path.slice(0, 3), { header_name: 'm', litellm_user_role: 'customer' })
      for (const [at, part] of path.entries()) {
        const needed = companions[part]
        const upTo = path[at + 1] === '0' ? at + 2 : at + 1
        if (needed !== undefined && upTo < path.length) set(path.slice(0, upTo), structuredClone(needed))
      }
      set(path, value)
      if (path.includes('model_group_alias')) set([...path.slice(0, -1), 'model'], 'm')
      const { config, warnings } = parseConfig(JSON.stringify(tree), { env: {} })
      let got: unknown = config
      for (const part of path) got = (got as Record<string, unknown>)[part]
      if (got instanceof Secret) got = got.reveal()
      const inner = (got as Record<string, unknown> | undefined)?.['m']
      if (inner instanceof Secret) got = { m: inner.reveal() }
      expect(got).toEqual(value)
      expect(
        warnings.filter(
          warning => !warning.message.startsWith('"m": known') && !warning.message.startsWith('no model'),
        ),
      ).toEqual([])
    },
  )
})
