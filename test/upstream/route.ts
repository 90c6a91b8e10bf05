import { anthropicWire } from './anthropic/wire.ts'
import { geminiWire } from './gemini/wire.ts'
import { azureWire } from './openai/azure.ts'
import { openaiError } from './openai/rules.ts'
import { openaiWire } from './openai/wire.ts'
import { type Json, type Wire, WireRejection } from './types.ts'

export interface Route {
  readonly wire: Wire
  readonly method: 'GET' | 'POST'
  /** Model or deployment named by the path, fault suffix included; undefined when the body names it. */
  readonly model: string | undefined
}

const openaiOperations = /^(\/[\w.-]+)*\/v\d\w*\/(chat\/completions|completions|embeddings|models)$/
const azureDeployment = /^\/openai\/deployments\/([^/]+)\/(chat\/completions|completions|embeddings)$/
const azureV1 = /^\/openai\/v1\/(chat\/completions|completions|embeddings|models)$/
const anthropicOperation = /^(\/[\w.-]+)*\/v1\/(messages|messages\/count_tokens)$/
const geminiOperation =
  /^\/v1(?:beta|alpha)?\/models\/([^/]+):(generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents)$/

/**
 * Finds the wire that a request line belongs to. A base path doubled or left out by the caller is not found, as it
 * would not be at the vendor. `Authorization` on `/openai/v1` means a vendor that merely has this base path (Groq).
 */
export function findRoute(method: string, path: string, headers: Readonly<Record<string, unknown>>): Route {
  const deployment = azureDeployment.exec(path)
  if (deployment !== null) return { wire: azureWire, method: 'POST', model: decodeURIComponent(deployment[1] ?? '') }
  if (azureV1.test(path) && headers['api-key'] !== undefined) return checked(method, path, azureWire)
  const gemini = geminiOperation.exec(path)
  if (gemini !== null) return { wire: geminiWire, method: 'POST', model: decodeURIComponent(gemini[1] ?? '') }
  if (path === '/v1beta/models') return { wire: geminiWire, method: 'GET', model: '' }
  if (anthropicOperation.test(path)) return checked(method, path, anthropicWire)
  if (path === '/v1/models' && headers['anthropic-version'] !== undefined) return checked(method, path, anthropicWire)
  if (openaiOperations.test(path) && !/(\/v\d\w*)\1\//.test(path)) return checked(method, path, openaiWire)
  const message = `Invalid URL (${method} ${path})`
  throw new WireRejection(404, openaiError(message, 'invalid_request_error', null, null), message)
}

function checked(method: string, path: string, wire: Wire): Route {
  const wanted = path.endsWith('/models') ? 'GET' : 'POST'
  if (method === wanted) return { wire, method: wanted, model: wanted === 'GET' ? '' : undefined }
  const message = `Not allowed to ${method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`
  throw new WireRejection(405, openaiError(message, 'invalid_request_error', null, 'method_not_supported'), message)
}

/** @throws WireRejection when the body is no JSON object sent as JSON. */
export function readBody(text: string, contentType: string | undefined): Json {
  if (!/^application\/json\b/i.test(contentType ?? '')) {
    const message = `Unsupported content type: '${contentType ?? ''}'. This API method only accepts 'application/json' requests.`
    throw new WireRejection(
      415,
      openaiError(message, 'invalid_request_error', null, 'unsupported_content_type'),
      message,
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = 'We could not parse the JSON body of your request.'
    throw new WireRejection(400, openaiError(message, 'invalid_request_error', null, null), message)
  }
  return value as Json
}
