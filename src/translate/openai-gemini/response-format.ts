import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import { convertSchema } from './convert-schema.ts'
import { isRecord } from './gemini-types.ts'
import type { RequestOptions } from './request-options.ts'

/**
 * `response_format` → `responseMimeType` and `responseSchema` in `config`.
 * Where the API would refuse that (Gemma, models without response schemas, function tools before Gemini 3), the wish is
 * put in words instead.
 * @returns text to add to the system instruction.
 */
export function responseFormat(
  request: ChatRequest,
  options: RequestOptions,
  hasFunctions: boolean,
  config: Record<string, unknown>,
): string | undefined {
  const format: unknown = request.response_format
  if (!isRecord(format) || format['type'] === 'text') return undefined
  if (format['type'] !== 'json_object' && format['type'] !== 'json_schema') {
    throw new GatewayError('invalid_request', "response_format.type must be 'text', 'json_object' or 'json_schema'.", {
      param: 'response_format.type',
    })
  }
  const stated = isRecord(format['json_schema']) ? format['json_schema']['schema'] : format['response_schema']
  const schema = isRecord(stated) ? stated : undefined
  const { family } = options
  if (family.gemma || (hasFunctions && family.generation < 3)) return inWords(schema)
  config['responseMimeType'] = 'application/json'
  if (schema === undefined) return undefined
  if (!options.responseSchema) return inWords(schema)
  config['responseSchema'] = convertSchema(schema, { ordered: true, param: 'response_format' })
  return undefined
}

function inWords(schema: Record<string, unknown> | undefined): string {
  const wish = 'Answer with one JSON value only: no prose around it and no code fence.'
  return schema === undefined ? wish : `${wish} It must be valid against this JSON Schema:\n${JSON.stringify(schema)}`
}
