import { Secret } from '../../platform/security/secret.ts'
import { redacted, scrubText } from '../../platform/telemetry/scrub.ts'

/**
 * Which fields of an object hold a secret, told by their names. Objects come here without secrets; this is the second
 * lock. It errs on the side of hiding: what is listed here as harmless is harmless by its meaning, not by its look.
 */

/** A word anywhere in a name that makes the field a secret. */
const secretWords = new Set([
  'password',
  'passwd',
  'pwd',
  'passphrase',
  'secret',
  'secrets',
  'credential',
  'credentials',
  'authorization',
  'cookie',
  'cookies',
  'bearer',
  'private',
  'signature',
  'salt',
  'otp',
  'pin',
  'pem',
  'encrypted',
  'connectionstring',
  'dsn',
  'webhook',
])

/** Words that mean a secret where they end a name (`api_key`, `refresh_token`), and something else before (`key_alias`). */
const secretEndings = new Set(['key', 'keys', 'token', 'tokens', 'apikey', 'apitoken', 'accesskey', 'auth'])

/** Whole names that sound like a secret and are none. */
const harmless = new Set([
  'public_key',
  'primary_key',
  'sort_key',
  'cache_key',
  'partition_key',
  'credential_name',
  'litellm_credential_name',
  'private_model_group',
  'token_endpoint_auth_method',
  'authorization_url',
  'authorization_endpoint',
  'secret_manager',
  'key_management_system',
  'pin_version',
])

/** Maps whose every value is a secret, whatever its name. */
const secretMaps = new Set([
  'credential_values',
  'environment_variables',
  'env',
  'headers',
  'extra_headers',
  'static_headers',
  'default_headers',
  'callback_vars',
])

/** `os.environ/NAME` says where a secret is, not what it is. */
const reference = /^os\.environ\/[\w.-]{1,200}$/

/** `texts`: only texts under the name are secrets (`max_tokens: 100` is none). `map`: everything below it is one. */
export type Sensitivity = 'open' | 'texts' | 'all' | 'map'

export function sensitivityOf(name: string): Sensitivity {
  const words = wordsOf(name)
  const plain = words.join('_')
  if (secretMaps.has(plain)) return 'map'
  if (harmless.has(plain)) return 'open'
  if (words.some(word => secretWords.has(word))) return 'all'
  return secretEndings.has(words.at(-1) ?? '') ? 'texts' : 'open'
}

/** `apiKey`, `api-key`, `API_KEY` → api, key. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(word => word !== '')
}

/** Whether a single value under such a name is a secret. Switches, absent values and empty texts never are. */
export function isSecretValue(value: unknown, sensitivity: Sensitivity): boolean {
  if (sensitivity === 'open') return false
  if (typeof value === 'string') return value !== '' && !reference.test(value)
  return sensitivity !== 'texts' && (typeof value === 'number' || typeof value === 'bigint')
}

/** Values that are secret by their type. */
export function isSecretType(value: unknown): boolean {
  return value instanceof Secret || ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

/** User and password in a URL, wherever one stands in a text. */
const urlPassword = /\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"'\\]*@/gi
const privateKeyBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g

/** How a key is shown: its last characters. */
const maskedKey = /^sk-\.\.\.[\w-]{1,8}$/

/** Text without the credentials that can be told by their look. */
export function scrubbed(text: string): string {
  if (maskedKey.test(text)) return text
  return scrubText(text).replace(urlPassword, `$1${redacted}@`).replace(privateKeyBlock, redacted)
}

/** What stands in the place of a secret. Whether it was replaced by another is worth knowing and gives nothing away. */
export function redactedMark(value: unknown, earlier: unknown): string {
  const changed = earlier !== undefined && earlier !== null && revealed(earlier) !== revealed(value)
  return changed ? '[redacted, changed]' : redacted
}

function revealed(value: unknown): string {
  if (value instanceof Secret) return value.reveal()
  return typeof value === 'string' ? value : JSON.stringify(value)
}
