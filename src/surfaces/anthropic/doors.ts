import type { Door } from '../../pipeline/door.ts'
import { AnthropicStreamEncoder } from '../../translate/openai-anthropic/encode-stream.ts'
import { eventsOfMessage } from '../../translate/openai-anthropic/replay-message.ts'
import { chatRequestOfMessages } from '../../translate/openai-anthropic/request-to-hub.ts'
import { messageOfChatResponse } from '../../translate/openai-anthropic/response-from-hub.ts'
import { validateCountTokens, validateMessages } from '../../translate/openai-anthropic/validate-request.ts'
import { countChatTokens } from '../../translate/token-count.ts'
import { anthropicErrorBody, anthropicErrorEvent } from './errors.ts'

/** `/v1/messages`. */
export const messagesDoor: Door = {
  dialect: 'anthropic',
  operation: 'messages',
  idHeader: 'request-id',
  route: '/v1/messages',
  validate: validateMessages,
  chatRequest: (request, options) => chatRequestOfMessages(request.json, options),
  chatResponse: (response, request) => JSON.stringify(messageOfChatResponse(response, request.json)),
  streamEncoder: (request, id) => new AnthropicStreamEncoder(request.json, id),
  replay: eventsOfMessage,
  errorBody: anthropicErrorBody,
  errorEvent: anthropicErrorEvent,
}

/** `/v1/messages/count_tokens`: forwarded to Anthropic upstreams, counted here for all others. */
export const countTokensDoor: Door = {
  ...messagesDoor,
  operation: 'count_tokens',
  route: '/v1/messages/count_tokens',
  validate: validateCountTokens,
  answerHere(request) {
    // What another vendor's model could not be asked has no tokens there; it is no reason to refuse the count.
    const asked = chatRequestOfMessages(request.json, { dropParams: true })
    return JSON.stringify({ input_tokens: countChatTokens(asked as unknown as Record<string, unknown>) })
  },
}
