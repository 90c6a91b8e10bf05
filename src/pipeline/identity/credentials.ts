import type { IncomingHttpHeaders } from 'node:http'

/** Headers that may carry a key, in the order they are looked at (LiteLLM's carriers). */
const carriers = ['authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'] as const

/** No key is longer; a longer text is not hashed, it is refused. Large enough for a token with many claims. */
export const maxCredentialLength = 16_384

/**
 * The key or token the caller presents, `Bearer ` removed; undefined when there is none.
 * @param extraHeader `general_settings.litellm_key_header_name`, lower case
 */
export function presentedCredential(headers: IncomingHttpHeaders, extraHeader: string | undefined): string | undefined {
  const own = headers['x-litellm-api-key']
  if (typeof own === 'string' && own !== '') return stripScheme(own)
  if (extraHeader !== undefined) {
    const value = headers[extraHeader]
    if (typeof value === 'string' && value !== '') return stripScheme(value)
  }
  for (const carrier of carriers) {
    const value = headers[carrier]
    if (typeof value === 'string' && value !== '') return stripScheme(value)
  }
  return undefined
}

function stripScheme(value: string): string {
  return value.startsWith('Bearer ') || value.startsWith('bearer ') ? value.slice(7).trim() : value
}
