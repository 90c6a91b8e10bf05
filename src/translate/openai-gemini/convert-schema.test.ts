import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { convertSchema } from './convert-schema.ts'

const convert = (schema: unknown) => convertSchema(schema, { param: 'p' })

describe('convertSchema', () => {
  it('ends a recursive reference in an open object', () => {
    const schema = {
      $ref: '#/definitions/Tree',
      definitions: {
        Tree: {
          type: 'object',
          properties: { label: { type: 'string' }, left: { $ref: '#/definitions/Tree', description: 'smaller' } },
        },
      },
    }
    expect(convert(schema)).toEqual({
      type: 'OBJECT',
      properties: { label: { type: 'STRING' }, left: { type: 'OBJECT', description: 'smaller' } },
    })
  })

  it('ends recursion through allOf, as older Pydantic writes it', () => {
    const schema = {
      $defs: { N: { type: 'object', properties: { next: { allOf: [{ $ref: '#/$defs/N' }], title: 'Next' } } } },
      allOf: [{ $ref: '#/$defs/N' }],
    }
    expect(convert(schema)).toEqual({ type: 'OBJECT', properties: { next: { type: 'OBJECT', title: 'Next' } } })
  })

  it('expands a shared definition each time it is used', () => {
    const schema = {
      $defs: { P: { type: 'integer' } },
      type: 'object',
      properties: { x: { $ref: '#/$defs/P' }, y: { $ref: '#/$defs/P' } },
    }
    expect(convert(schema).properties).toEqual({ x: { type: 'INTEGER' }, y: { type: 'INTEGER' } })
  })

  it('turns a null alternative into nullable and leaves nothing beside anyOf', () => {
    expect(convert({ anyOf: [{ type: 'string' }, { type: 'null' }], description: 'd', default: null })).toEqual({
      type: 'STRING',
      nullable: true,
      description: 'd',
    })
    expect(convert({ type: ['integer', 'string', 'null'], description: 'd' })).toEqual({
      anyOf: [
        { type: 'INTEGER', nullable: true, description: 'd' },
        { type: 'STRING', nullable: true, description: 'd' },
      ],
    })
  })

  it('keeps the structure when anyOf only says which names are required', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      anyOf: [{ required: ['a'] }, { required: ['b'] }],
    }
    expect(convert(schema)).toEqual({ type: 'OBJECT', properties: { a: { type: 'STRING' }, b: { type: 'STRING' } } })
  })

  it('tells enums of numbers in words, because the API takes texts only', () => {
    expect(convert({ enum: [1, 2.5] })).toEqual({ type: 'NUMBER', description: 'Allowed values: 1, 2.5.' })
    expect(convert({ type: 'string', enum: ['a', null, ''] })).toEqual({ type: 'STRING', enum: ['a'], nullable: true })
  })

  it('refuses a schema that grows without end', () => {
    const $defs: Record<string, unknown> = { L0: { type: 'string' } }
    for (let level = 1; level <= 40; level++) {
      const below = { $ref: `#/$defs/L${level - 1}` }
      $defs[`L${level}`] = { type: 'object', properties: { a: below, b: below } }
    }
    expect(() => convert({ $defs, $ref: '#/$defs/L40' })).toThrow(GatewayError)
    const long = Array.from({ length: 5000 }, (_, index) => ({ properties: { [`p${index}`]: { type: 'string' } } }))
    expect(() => convert({ allOf: long })).toThrow(GatewayError)
    let deep: unknown = { type: 'string' }
    for (let level = 0; level < 5000; level++) deep = { type: 'array', items: deep }
    expect(() => convert(deep)).toThrow(/64 levels/)
  })
})

const allowed = new Set([
  'type',
  'format',
  'title',
  'description',
  'nullable',
  'default',
  'example',
  'enum',
  'items',
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'pattern',
  'minimum',
  'maximum',
  'properties',
  'minProperties',
  'maxProperties',
  'required',
  'propertyOrdering',
  'anyOf',
])

function checkNode(node: Record<string, unknown>): void {
  for (const key of Object.keys(node)) expect(allowed).toContain(key)
  if (node['anyOf'] !== undefined) {
    expect(Object.keys(node)).toEqual(['anyOf'])
    for (const member of node['anyOf'] as Record<string, unknown>[]) checkNode(member)
    return
  }
  expect(['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT']).toContain(node['type'])
  if (node['type'] === 'ARRAY') checkNode(node['items'] as Record<string, unknown>)
  const properties = (node['properties'] ?? {}) as Record<string, Record<string, unknown>>
  for (const property of Object.values(properties)) checkNode(property)
  for (const name of (node['required'] ?? []) as string[]) expect(Object.keys(properties)).toContain(name)
  for (const value of (node['enum'] ?? []) as unknown[]) {
    expect(typeof value).toBe('string')
    expect(value).not.toBe('')
  }
}

const { schema: anySchema } = fc.letrec(tie => ({
  schema: fc.oneof(
    { maxDepth: 3, depthSize: 'xsmall' },
    fc.constantFrom<unknown>(
      {},
      true,
      null,
      'x',
      { type: 'null' },
      { $ref: '#' },
      { $ref: '#/$defs/A' },
      { $ref: 'http://x' },
    ),
    fc.record(
      {
        type: fc.oneof(
          fc.constantFrom('string', 'number', 'integer', 'boolean', 'array', 'object', 'null', 'odd'),
          fc.subarray(['string', 'integer', 'object', 'array', 'null']),
        ),
        format: fc.constantFrom('date-time', 'email', 'int32'),
        description: fc.string(),
        enum: fc.array(fc.oneof(fc.constant(''), fc.string(), fc.integer(), fc.boolean(), fc.constant(null)), {
          maxLength: 3,
        }),
        const: fc.jsonValue({ maxDepth: 1 }),
        default: fc.jsonValue({ maxDepth: 1 }),
        minLength: fc.oneof(fc.nat(), fc.double()),
        minimum: fc.oneof(fc.double(), fc.string()),
        additionalProperties: tie('schema'),
        properties: fc.dictionary(fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor')), tie('schema'), {
          maxKeys: 3,
        }),
        required: fc.array(fc.constantFrom('a', 'b', 'c')),
        items: fc.oneof(tie('schema'), fc.array(tie('schema'), { maxLength: 2 })),
        prefixItems: fc.array(tie('schema'), { maxLength: 2 }),
        anyOf: fc.array(tie('schema'), { maxLength: 3 }),
        oneOf: fc.array(tie('schema'), { maxLength: 3 }),
        allOf: fc.array(tie('schema'), { maxLength: 3 }),
        not: tie('schema'),
        $ref: fc.constantFrom('#', '#/$defs/A', '#/$defs/B', '#/properties/a', '#/nope', '#/%'),
        strict: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  ),
}))

describe('any JSON Schema', () => {
  it('is converted in bounded time to keys the API knows, or refused', () => {
    fc.assert(
      fc.property(anySchema, anySchema, anySchema, (root, first, second) => {
        const whole = typeof root === 'object' && root !== null ? { ...root, $defs: { A: first, B: second } } : root
        try {
          checkNode(convert(whole) as unknown as Record<string, unknown>)
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
        }
      }),
      { numRuns: 1000 },
    )
  })
})
