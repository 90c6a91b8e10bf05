import type { IncomingHttpHeaders } from 'node:http'
import type { Fault } from '../fault.ts'
import { isJson, type Json, type Reply, type Wire, type WireCall, WireRejection } from '../types.ts'
import { answerChat, type ChatExtras } from './chat.ts'
import { answerCompletion, answerEmbeddings, listModels } from './other-operations.ts'
import { reject } from './rules.ts'
import { openaiErrorFrame, openaiFailure, openaiHeaders, openaiWire } from './wire.ts'

const safe = { filtered: false, severity: 'safe' }
const choiceFilters = { hate: safe, self_harm: safe, sexual: safe, violence: safe }
const promptFilters = [
  { prompt_index: 0, content_filter_results: { ...choiceFilters, jailbreak: { filtered: false, detected: false } } },
]

const extras: ChatExtras = {
  response: { prompt_filter_results: promptFilters },
  choice: { content_filter_results: choiceFilters },
  firstChunk: { choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: promptFilters },
}

function azureError(code: string, message: string): Json {
  return { error: { code, message } }
}

/** Azure OpenAI: `/openai/deployments/{deployment}/…?api-version=` and `/openai/v1/…`. */
export const azureWire: Wire = {
  name: 'azure-openai',
  ping: openaiWire.ping,
  malformedFrame: openaiWire.malformedFrame,
  errorFrame: openaiErrorFrame,
  headers: memory => ({ ...openaiHeaders(memory), 'apim-request-id': memory.nextId('apim-') }),
  answer(call: WireCall): Reply {
    requireKey(call.headers, call.apiKey)
    const version = call.query.get('api-version')
    const byDeployment = call.path.includes('/openai/deployments/')
    if (byDeployment) checkVersion(call, version)
    const headers = this.headers(call.memory)
    if (call.path.endsWith('/models')) return listModels(headers)
    if (!byDeployment && call.body['model'] == null) reject('you must provide a model parameter')
    if (call.model.startsWith('missing')) {
      const message =
        'The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.'
      throw new WireRejection(404, azureError('DeploymentNotFound', message), message)
    }
    if (call.fault.filter === 'prompt') refusePrompt()
    if (call.path.endsWith('/chat/completions')) return answerChat(call, headers, extras)
    if (call.path.endsWith('/embeddings')) return answerEmbeddings(call, headers)
    return answerCompletion(call, headers)
  },
  failure(status: number, fault: Fault) {
    if (status === 429) {
      const message =
        'Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded call rate limit of your current pricing tier. Please retry after 2 seconds.'
      return { headers: {}, body: azureError('429', message) }
    }
    if (status === 401) return { headers: {}, body: azureError('401', denied) }
    return { headers: {}, body: openaiFailure(status, fault) }
  },
}

const denied =
  'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.'

function requireKey(headers: IncomingHttpHeaders, apiKey: string | undefined): void {
  const key = headers['api-key'] ?? headers.authorization?.replace(/^Bearer /, '')
  if (key === undefined || key === '' || (apiKey !== undefined && key !== apiKey)) {
    throw new WireRejection(401, azureError('401', denied), denied)
  }
}

/** The version decides which parameters exist: older ones refuse what they do not know. */
function checkVersion(call: WireCall, version: string | null): void {
  if (version === null || !/^\d{4}-\d{2}-\d{2}(-preview)?$/.test(version)) {
    throw new WireRejection(404, azureError('404', 'Resource not found'), 'Resource not found')
  }
  const day = version.slice(0, 10)
  if (call.body['stream_options'] != null && day < '2024-09-01') {
    reject('Unrecognized request argument supplied: stream_options')
  }
  const format = call.body['response_format']
  if (isJson(format) && format['type'] === 'json_schema' && day < '2024-08-01') {
    reject(
      'response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later',
      'response_format',
    )
  }
}

function refusePrompt(): never {
  const message =
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry."
  throw new WireRejection(
    400,
    {
      error: {
        message,
        type: null,
        param: 'prompt',
        code: 'content_filter',
        status: 400,
        innererror: {
          code: 'ResponsibleAIPolicyViolation',
          content_filter_result: { ...choiceFilters, violence: { filtered: true, severity: 'high' } },
        },
      },
    },
    message,
  )
}
