import type { Dialect } from '../../providers/wire.ts'
import { emptyUsage, type TokenUsage } from '../../translate/token-usage.ts'
import type { Call } from '../call.ts'

/**
 * Bytes of a stream that carry one token, by wire: OpenAI wraps each token in a chunk of 250 bytes and more, Anthropic two
 * or three in an event of 130. Gemini tells its usage with every chunk.
 */
const bytesPerToken: Readonly<Record<Dialect, number>> = { openai: 250, anthropic: 60, gemini: 25 }

/**
 * Usage of a stream that ended before the vendor said what it used: an estimate from what came. Without it whoever leaves
 * right before the end would pay nothing.
 * @param told what the vendor has said so far; Anthropic tells the prompt at once and the answer at the end
 * @param bytes of the stream, as they came from the upstream
 */
export function partialUsage(
  { request, reservation }: Pick<Call, 'request' | 'reservation'>,
  told: TokenUsage | undefined,
  dialect: Dialect,
  bytes: number,
): TokenUsage {
  const output = Math.ceil(bytes / bytesPerToken[dialect])
  if (told !== undefined) return { ...told, output: Math.max(told.output, output) }
  const input = reservation?.estimate.inputTokens ?? Math.ceil(request.text.length / 4)
  return { ...emptyUsage(), input, output }
}
