export {
  countChatTokens,
  countMessageTokens,
  countTokens,
  mayHoldMedia,
  promptTokenBounds,
} from '../../translate/token-count.ts'
