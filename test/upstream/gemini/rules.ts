import type { IncomingHttpHeaders } from 'node:http'
import { isJson, type Json, WireRejection } from '../types.ts'

const statusNames: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

export function geminiError(code: number, message: string, details?: unknown[]): Json {
  const error: Json = { code, message, status: statusNames[code] ?? 'UNKNOWN' }
  if (details !== undefined) error['details'] = details
  return { error }
}

export function reject(message: string, status = 400, details?: unknown[]): never {
  throw new WireRejection(status, geminiError(status, message, details), message)
}

export function requireKey(headers: IncomingHttpHeaders, query: URLSearchParams, apiKey: string | undefined): void {
  const key = headers['x-goog-api-key'] ?? query.get('key') ?? headers.authorization?.replace(/^Bearer /, '')
  if (key === undefined || key === '') {
    reject(
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
      403,
    )
  }
  if (apiKey !== undefined && key !== apiKey) {
    reject('API key not valid. Please pass a valid API key.', 400, [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' },
    ])
  }
}

/** Shape of a message of the API: a nested shape, `[shape]` for repeated, `free` for open JSON, else a scalar type. */
export type Shape = { readonly [name: string]: FieldShape }
type FieldShape = 'string' | 'number' | 'boolean' | 'free' | 'strings' | 'schema' | Shape | readonly [Shape]

const blob: Shape = { mimeType: 'string', data: 'string', displayName: 'string' }
const fileData: Shape = { mimeType: 'string', fileUri: 'string', displayName: 'string' }

const part: Shape = {
  text: 'string',
  thought: 'boolean',
  thoughtSignature: 'string',
  inlineData: blob,
  fileData,
  functionCall: { id: 'string', name: 'string', args: 'free' },
  functionResponse: {
    id: 'string',
    name: 'string',
    response: 'free',
    parts: 'free',
    willContinue: 'boolean',
    scheduling: 'string',
  },
  executableCode: { id: 'string', language: 'string', code: 'string' },
  codeExecutionResult: { id: 'string', outcome: 'string', output: 'string' },
  videoMetadata: 'free',
  mediaResolution: 'free',
  toolCall: 'free',
  toolResponse: 'free',
  partMetadata: 'free',
}

export const content: Shape = { role: 'string', parts: [part] }

const generationConfig: Shape = {
  candidateCount: 'number',
  stopSequences: 'strings',
  maxOutputTokens: 'number',
  temperature: 'number',
  topP: 'number',
  topK: 'number',
  seed: 'number',
  presencePenalty: 'number',
  frequencyPenalty: 'number',
  responseMimeType: 'string',
  responseSchema: 'schema',
  responseJsonSchema: 'free',
  responseModalities: 'strings',
  responseLogprobs: 'boolean',
  logprobs: 'number',
  enableEnhancedCivicAnswers: 'boolean',
  speechConfig: 'free',
  imageConfig: 'free',
  mediaResolution: 'string',
  thinkingConfig: { includeThoughts: 'boolean', thinkingBudget: 'number', thinkingLevel: 'string' },
}

export const generateRequest: Shape = {
  model: 'string',
  contents: [content],
  systemInstruction: content,
  tools: [
    {
      functionDeclarations: [
        {
          name: 'string',
          description: 'string',
          parameters: 'schema',
          parametersJsonSchema: 'free',
          response: 'schema',
          responseJsonSchema: 'free',
          behavior: 'string',
        },
      ],
      googleSearch: 'free',
      googleSearchRetrieval: 'free',
      codeExecution: 'free',
      urlContext: 'free',
      googleMaps: 'free',
      fileSearch: 'free',
      computerUse: 'free',
    },
  ],
  toolConfig: {
    functionCallingConfig: { mode: 'string', allowedFunctionNames: 'strings' },
    retrievalConfig: 'free',
    includeServerSideToolInvocations: 'boolean',
  },
  safetySettings: [{ category: 'string', threshold: 'string' }],
  generationConfig,
  cachedContent: 'string',
  serviceTier: 'string',
  store: 'boolean',
}

export const embedRequest: Shape = {
  model: 'string',
  content,
  taskType: 'string',
  title: 'string',
  outputDimensionality: 'number',
}
export const batchEmbedRequest: Shape = { requests: [embedRequest] }
export const countRequest: Shape = { contents: [content], generateContentRequest: generateRequest }

const schemaFields: ReadonlySet<string> = new Set([
  'type',
  'format',
  'title',
  'description',
  'nullable',
  'enum',
  'maxItems',
  'minItems',
  'properties',
  'required',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'example',
  'anyOf',
  'propertyOrdering',
  'default',
  'items',
  'minimum',
  'maximum',
])
const schemaTypes = ['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT', 'NULL']

/**
 * Reads ProtoJSON strictly: unknown names and wrong types are refused with their path; snake_case names are accepted
 * and come back in camelCase.
 */
export function readMessage(value: unknown, shape: Shape, path: string): Json {
  if (!isJson(value)) reject(`Invalid value at '${path}' (type.googleapis.com/message), expected an object`)
  const result: Json = {}
  for (const [given, entry] of Object.entries(value)) {
    const name = camel(given)
    const field = shape[name]
    if (field === undefined || !Object.hasOwn(shape, name)) unknownName(given, path)
    const place = path === '' ? snake(name) : `${path}.${snake(name)}`
    result[name] = entry === null ? undefined : readField(entry, field, place)
  }
  return result
}

function readField(value: unknown, field: FieldShape, path: string): unknown {
  if (typeof field === 'object') {
    if (!Array.isArray(field)) return readMessage(value, field as Shape, path)
    if (!Array.isArray(value)) reject(`Invalid value at '${path}' (repeated message), expected an array`)
    const inner = field[0] as Shape
    return value.map((entry, index) => readMessage(entry, inner, `${path}[${index}]`))
  }
  switch (field) {
    case 'free':
      return value
    case 'schema':
      return readSchema(value, path)
    case 'strings':
      if (!Array.isArray(value) || value.some(entry => typeof entry !== 'string')) {
        reject(`Invalid value at '${path}' (TYPE_STRING), ${JSON.stringify(value)}`)
      }
      return value
    default:
      if (typeof value !== field)
        reject(`Invalid value at '${path}' (TYPE_${field.toUpperCase()}), ${JSON.stringify(value)}`)
      return value
  }
}

/** The OpenAPI subset: no `$ref`, no `additionalProperties`, one type, string enums, few formats. */
function readSchema(value: unknown, path: string): Json {
  if (!isJson(value)) reject(`Invalid value at '${path}' (Schema), expected an object`)
  for (const given of Object.keys(value)) if (!schemaFields.has(camel(given))) unknownName(given, path)
  const type = value['type']
  if (Array.isArray(type)) {
    reject(
      `Invalid JSON payload received. Unknown name "type" at '${path}': Proto field is not repeating, cannot start list.`,
    )
  }
  if (type !== undefined && !schemaTypes.includes(String(type).toUpperCase())) {
    reject(
      `Invalid value at '${path}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), "${String(type)}"`,
    )
  }
  const kind = String(type ?? '').toUpperCase()
  const values = value['enum']
  if (values !== undefined) {
    if (!Array.isArray(values) || values.some(entry => typeof entry !== 'string')) {
      reject(`Invalid value at '${path}.enum' (TYPE_STRING), ${JSON.stringify(values)}`)
    }
    if (values.includes('')) reject(`* GenerateContentRequest.${path}.enum[${values.indexOf('')}]: cannot be empty`)
    if (kind !== 'STRING') reject(`* GenerateContentRequest.${path}.enum: only allowed for STRING type`)
  }
  const format = value['format']
  if (kind === 'STRING' && format !== undefined && format !== 'enum' && format !== 'date-time') {
    reject(`* GenerateContentRequest.${path}.format: only 'enum' and 'date-time' are supported for STRING type`)
  }
  if (kind === 'ARRAY' && value['items'] === undefined) reject(`* GenerateContentRequest.${path}.items: missing field.`)
  readNested(value, kind, path)
  return value
}

function readNested(value: Json, kind: string, path: string): void {
  const properties = value['properties']
  if (properties !== undefined) {
    if (!isJson(properties)) reject(`Invalid value at '${path}.properties' (Map), expected an object`)
    if (kind === 'OBJECT' && Object.keys(properties).length === 0) {
      reject(`* GenerateContentRequest.${path}.properties: should be non-empty for OBJECT type`)
    }
    for (const [name, entry] of Object.entries(properties)) readSchema(entry, `${path}.properties[${name}]`)
  }
  for (const name of Array.isArray(value['required']) ? value['required'] : []) {
    if (!isJson(properties) || !(String(name) in properties)) {
      reject(`* GenerateContentRequest.${path}.required: property is not defined: ${String(name)}`)
    }
  }
  if (value['items'] !== undefined) readSchema(value['items'], `${path}.items`)
  if (Array.isArray(value['anyOf'])) {
    value['anyOf'].forEach((entry: unknown, index) => {
      readSchema(entry, `${path}.any_of[${index}]`)
    })
  }
}

function unknownName(name: string, path: string): never {
  const place = path === '' ? '' : ` at '${path}'`
  const description = `Invalid JSON payload received. Unknown name "${name}"${place}: Cannot find field.`
  reject(description, 400, [
    { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: path, description }] },
  ])
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
