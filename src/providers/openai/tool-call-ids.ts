import { createHash } from 'node:crypto'
import { unpackToolCallId } from '../../translate/openai-gemini/tool-call-id.ts'
import type { Plan } from './plan.ts'

/** OpenAI and Azure: "Expected a string with maximum length 40". */
const maxLength = 40

/**
 * A tool-call id as the vendor takes it. The same input always gives the same id, so that calls and their results still
 * match, here and in later turns. Ids that Gemini's signature rides on lose it: it says nothing to another vendor.
 */
export function wireToolCallId(id: string, { quirks }: Plan): string {
  if (quirks.keepForeignFields === true) return id
  const plain = id.includes('__sig') ? unpackToolCallId(id).id : id
  if (quirks.toolCallIds === 'alnum9') return /^[a-zA-Z0-9]{9}$/.test(plain) ? plain : digest(plain).slice(0, 9)
  if (quirks.openaiFamilies === true && plain.length > maxLength) return `call_${digest(plain).slice(0, 32)}`
  return plain
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
