import type { z } from 'zod'
import { definition, isInteger, unwrap } from '../../../platform/config/describe-type.ts'

/** LiteLLM's word for the type of a setting. */
export function fieldType(schema: z.ZodType | undefined): string {
  if (schema === undefined) return 'String'
  const type = unwrap(schema)
  switch (definition(type).type) {
    case 'number':
      return isInteger(type) ? 'Integer' : 'Float'
    case 'boolean':
      return 'Boolean'
    case 'array':
      return 'List'
    case 'record':
    case 'object':
      return 'Dictionary'
    default:
      return 'String'
  }
}
