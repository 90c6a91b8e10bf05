import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { VendorQuirks } from './vendor-quirks.ts'
import { vendor, vendorOfModel, vendors } from './vendors.ts'

const names = z.array(z.string().min(1)).min(1)
const roles = z.array(z.enum(['system', 'user', 'assistant', 'tool'])).min(1)
const flag = z.literal(true)
const quirks: z.ZodType<VendorQuirks> = z.strictObject({
  openaiFamilies: flag.optional(),
  renameParams: z.record(z.string(), z.string()).optional(),
  unsupportedParams: names.optional(),
  supportedParams: names.optional(),
  unsupportedByModel: z.array(z.strictObject({ model: z.string().min(1), params: names })).optional(),
  extraBody: z.record(z.string(), z.unknown()).optional(),
  temperatureMax: z.number().positive().optional(),
  streamUsage: z.literal(false).optional(),
  fakeStreamWithResponseFormat: flag.optional(),
  responseFormat: z.literal('json_object_schema').optional(),
  reasoningParam: z.enum(['effort', 'thinking', 'both', 'none']).optional(),
  metadata: z.enum(['keep', 'stored']).optional(),
  toolChoiceRequired: z.enum(['any', 'ask', 'unsupported']).optional(),
  stripStrict: flag.optional(),
  stripSchemaKeys: names.optional(),
  functionToolsOnly: flag.optional(),
  toolCallIds: z.literal('alnum9').optional(),
  developerRole: flag.optional(),
  flattenTextContent: roles.optional(),
  stripMessageName: z.enum(['all', 'except_tool']).optional(),
  stripNullFields: flag.optional(),
  dropEmptyAssistant: flag.optional(),
  flatFileParts: flag.optional(),
  keepCacheControl: flag.optional(),
  keepForeignFields: flag.optional(),
  replayReasoning: z.enum(['reasoning_content', 'reasoning_details']).optional(),
  reasoningPlaceholder: flag.optional(),
  normalizeAnswer: flag.optional(),
  addReasoningTokens: flag.optional(),
  modelPrefix: z.string().endsWith('/').optional(),
  basePath: z.string().startsWith('/').optional(),
  chatPath: z.string().startsWith('/').optional(),
  apiKeyHeader: z
    .string()
    .regex(/^[a-z-]+$/)
    .optional(),
  headersFromEnv: z.record(z.string().regex(/^[a-z-]+$/), z.string().regex(/^[A-Z0-9_]+$/)).optional(),
})
const envNames = z.array(z.string().regex(/^[A-Z0-9_]+$/)).min(1)
const row = z.strictObject({
  id: z.string().regex(/^[a-z0-9_-]+$/),
  name: z.string().min(1),
  wire: z.enum(['openai', 'azure-openai', 'anthropic', 'gemini']),
  baseUrl: z
    .url()
    .refine(url => !url.endsWith('/'), 'no trailing slash')
    .optional(),
  baseUrlEnv: envNames.optional(),
  apiKeyEnv: envNames.optional(),
  auth: z.enum(['bearer', 'api-key', 'x-api-key', 'x-goog-api-key', 'none']),
  operations: z.array(z.enum(['chat', 'completions', 'embeddings', 'messages', 'count_tokens'])).min(1),
  quirks: quirks.optional(),
  note: z.string().min(1).optional(),
})
const file: unknown = JSON.parse(readFileSync(new URL('../../data/providers.json', import.meta.url), 'utf8'))

describe('data/providers.json', () => {
  const { vendors: rows, later } = z.strictObject({ vendors: z.array(row), later: names }).parse(file)

  it('names each vendor once, and none that is said to come later', () => {
    const ids = rows.map(r => r.id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.filter(id => later.includes(id))).toEqual([])
  })

  it('asks for a key wherever a credential is sent', () => {
    expect(rows.filter(r => r.auth !== 'none' && r.apiKeyEnv === undefined).map(r => r.id)).toEqual([])
  })

  it('documents every vendor', () => {
    const docs = readFileSync(new URL('../../docs/providers.md', import.meta.url), 'utf8')
    expect(rows.filter(r => !docs.includes(`\`${r.id}/\``)).map(r => r.id)).toEqual([])
  })

  it('is read into the table unchanged', () => {
    expect(vendors().map(v => v.id)).toEqual(rows.map(r => r.id))
    expect(vendor('groq')?.baseUrl).toBe('https://api.groq.com/openai/v1')
    expect(vendor('hosted_vllm')?.baseUrl).toBeUndefined()
    expect(vendor('nobody')).toBeUndefined()
    expect(vendor('constructor')).toBeUndefined()
  })
})

describe('vendorOfModel', () => {
  it.each([
    ['azure/my-deployment', undefined, 'azure', 'my-deployment'],
    ['azure/gpt5_series/d', undefined, 'azure', 'gpt5_series/d'],
    ['gemini/gemini-2.5-pro', undefined, 'gemini', 'gemini-2.5-pro'],
    ['openai/meta-llama/Llama-3', undefined, 'openai', 'meta-llama/Llama-3'],
    ['openrouter/openai/gpt-5', undefined, 'openrouter', 'openai/gpt-5'],
    ['gpt-4o', undefined, 'openai', 'gpt-4o'],
    ['o3', undefined, 'openai', 'o3'],
    ['ft:gpt-4o:org/x', undefined, 'openai', 'ft:gpt-4o:org/x'],
    ['text-embedding-3-small', undefined, 'openai', 'text-embedding-3-small'],
    ['claude-sonnet-4-5', undefined, 'anthropic', 'claude-sonnet-4-5'],
    ['gemini-2.5-flash', undefined, 'gemini', 'gemini-2.5-flash'],
    ['groq/x', 'groq', 'groq', 'x'],
    ['meta/x', 'groq', 'groq', 'meta/x'],
    ['whatever', 'hosted_vllm', 'hosted_vllm', 'whatever'],
  ])('%s (%s) → %s, %s', (model, custom, id, name) => {
    const split = vendorOfModel(model, custom)
    expect([split.vendor.id, split.model]).toEqual([id, name])
  })

  it.each([
    ['opnai/gpt-4o', undefined, 'nearest is "openai"'],
    ['x', 'gruq', 'nearest is "groq"'],
    ['bedrock/x', undefined, 'not spoken by this version'],
    ['mixtral', undefined, 'write "<vendor>/mixtral"'],
    ['openai/', undefined, 'names no model'],
    ['meta-llama/Llama-3', undefined, 'write "openai/meta-llama/Llama-3" and set api_base'],
  ])('%s (%s) is refused: %s', (model, custom, text) => {
    expect(() => vendorOfModel(model, custom)).toThrow(GatewayError)
    expect(() => vendorOfModel(model, custom)).toThrow(text)
  })
})
