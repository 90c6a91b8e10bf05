import type { Door } from '../../pipeline/door.ts'
import { AnthropicStreamEncoder } from '../../translate/openai-anthropic/encode-stream.ts'
import { chatRequestOfMessages } from '../../translate/openai-anthropic/request-to-hub.ts'
import { messageOfChatResponse } from '../../translate/openai-anthropic/response-from-hub.ts'
import { validateCountTokens, validateMessages } from '../../translate/openai-anthropic/validate-request.ts'
import { countChatTokens } from '../../translate/token-count.ts'
import { anthropicErrorBody, anthropicErrorEvent } from './errors.ts'

/** `/v1/messages`. */
export const messagesDoor: Door = {
  dialect: 'anthropic',
  operation: 'messages',
  route: '/v1/messages',
  validate: validateMessages,
  chatRequest: request => chatRequestOfMessages(request.json),
  chatResponse: (response, request) => JSON.stringify(messageOfChatResponse(response, request.json)),
  streamEncoder: (request, id) => new AnthropicStreamEncoder(request.json, id),
  errorBody: anthropicErrorBody,
  errorEvent: anthropicErrorEvent,
}

/** `/v1/messages/count_tokens`: forwarded to Anthropic upstreams, counted here for all others. */
export const countTokensDoor: Door = {
  ...messagesDoor,
  operation: 'count_tokens',
  route: '/v1/messages/count_tokens',
  validate: validateCountTokens,
  answerHere: request =>
    JSON.stringify({
      input_tokens: countChatTokens(chatRequestOfMessages(request.json) as unknown as Record<string, unknown>),
    }),
}
