/** What a model answered, as far as checks look at it. */
export interface Answer {
  readonly text: string
  readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[]
  /** As the vendor says: `stop`, `length`, `tool_calls`, `content_filter`. */
  readonly finishReason: string | undefined
}

/** What a prompt brings along to judge answers by. */
export interface Expectation {
  /** A good answer. */
  readonly reference: string | undefined
  /** Names and parameter schemas (JSON Schema) of the tools that were offered. */
  readonly tools: readonly { readonly name: string; readonly parameters: unknown }[]
}

export const plainAnswer = (text: string): Answer => ({ text, toolCalls: [], finishReason: undefined })
