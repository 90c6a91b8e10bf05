import type { Door } from '../../pipeline/door.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { eventsOfCompletion } from '../../translate/openai/completion-events.ts'
import {
  CompletionStreamEncoder,
  chatRequestOfCompletion,
  completionOfChatResponse,
} from '../../translate/openai/completions-chat.ts'
import type { ChatRequest } from '../../translate/openai/types.ts'
import { openaiErrorBody, openaiErrorEvent } from './errors.ts'
import { OpenAIStreamEncoder, wantsStreamUsage } from './stream-encoder.ts'
import { validateChat, validateCompletion, validateEmbedding } from './validate.ts'

const common = { idHeader: 'x-request-id', errorBody: openaiErrorBody, errorEvent: openaiErrorEvent }

/** `/v1/chat/completions`: the hub format itself. */
export const chatDoor: Door = {
  dialect: 'openai',
  operation: 'chat',
  route: '/v1/chat/completions',
  validate: validateChat,
  chatRequest: request => request.json as unknown as ChatRequest,
  chatResponse: response => JSON.stringify(response),
  streamEncoder: request => new OpenAIStreamEncoder(wantsStreamUsage(request.json)),
  ...common,
}

/** `/v1/completions`: chat with a prompt, where the upstream has no completions of its own. */
export const completionsDoor: Door = {
  dialect: 'openai',
  operation: 'completions',
  route: '/v1/completions',
  validate: validateCompletion,
  chatRequest: (request, options) => chatRequestOfCompletion(request.json, options),
  chatResponse: (response, request) => JSON.stringify(completionOfChatResponse(response, request.json)),
  streamEncoder: request => new CompletionStreamEncoder(request.json, wantsStreamUsage(request.json)),
  replay: (answer, request) => eventsOfCompletion(answer, wantsStreamUsage(request.json)),
  ...common,
}

const notChat = () => new GatewayError('internal_error', 'Embeddings are not a chat operation.')

/** `/v1/embeddings`. */
export const embeddingsDoor: Door = {
  dialect: 'openai',
  operation: 'embeddings',
  route: '/v1/embeddings',
  validate: validateEmbedding,
  chatRequest: () => {
    throw notChat()
  },
  chatResponse: () => {
    throw notChat()
  },
  streamEncoder: () => {
    throw notChat()
  },
  ...common,
}
