/**
 * Where a vendor departs from the openai wire, as data: a row of `data/providers.json` sets flags, the wire's code
 * obeys them, and no vendor needs code of its own. Every flag is off (undefined) for a vendor that follows OpenAI.
 * Facts: the vendors' API references; see data/README.md.
 */
export interface VendorQuirks {
  /** Serves OpenAI's own models under their names, so the gpt-5 and o-series parameter rules apply. */
  readonly openaiFamilies?: boolean

  // Request parameters.
  /** Field → the name it has here: `{"max_completion_tokens": "max_tokens"}`. */
  readonly renameParams?: Readonly<Record<string, string>>
  /** Fields the vendor rejects: an error, or dropped with `drop_params`. */
  readonly unsupportedParams?: readonly string[]
  /** Only these OpenAI sampling and tool parameters are known; the others count as unsupported. */
  readonly supportedParams?: readonly string[]
  /** Fields rejected by models whose name contains `model`. */
  readonly unsupportedByModel?: readonly { readonly model: string; readonly params: readonly string[] }[]
  /** Fields added to every chat request that does not set them. */
  readonly extraBody?: Readonly<Record<string, unknown>>
  /** Higher temperatures are lowered to this one. */
  readonly temperatureMax?: number
  /** `false`: the vendor does not know `stream_options`. */
  readonly streamUsage?: boolean
  /** The vendor cannot stream while `response_format` asks for JSON: one whole answer is replayed as a stream. */
  readonly fakeStreamWithResponseFormat?: boolean
  /** `json_object_schema`: a JSON schema travels as `{type: "json_object", schema}`. */
  readonly responseFormat?: 'json_object_schema'
  /**
   * How reasoning is asked for. `effort` (default): `reasoning_effort`. `thinking`: `thinking {type}`, which effort is
   * turned into. `both`: either is passed on as it came. `none`: neither is known; both are left out.
   */
  readonly reasoningParam?: 'effort' | 'thinking' | 'both' | 'none'
  /** `keep`: `metadata` is the vendor's own field. `stored`: kept with `store: true` and string values. Else removed. */
  readonly metadata?: 'keep' | 'stored'

  // Tools.
  /** `tool_choice: "required"` (and a named tool): `any` = spelled so here; `ask` = removed, and a user message asks. */
  readonly toolChoiceRequired?: 'any' | 'ask' | 'unsupported'
  /** `strict` is removed from functions. */
  readonly stripStrict?: boolean
  /** Keys removed at every level of tool schemas; `additionalProperties` only where it is `false`. */
  readonly stripSchemaKeys?: readonly string[]
  /** Tools of other types than `function` are removed. */
  readonly functionToolsOnly?: boolean
  /** `alnum9`: tool-call ids must be nine letters or digits; others are mapped to such ids, the same way each time. */
  readonly toolCallIds?: 'alnum9'

  // Messages.
  /** The `developer` role is known; elsewhere it becomes `system`. */
  readonly developerRole?: boolean
  /** Roles whose lists of text parts become one string. Lists with media stay lists. */
  readonly flattenTextContent?: readonly ('system' | 'user' | 'assistant' | 'tool')[]
  readonly stripMessageName?: 'all' | 'except_tool'
  /** Null members of assistant messages are removed. */
  readonly stripNullFields?: boolean
  /** Assistant messages with neither content nor tool calls are removed. */
  readonly dropEmptyAssistant?: boolean
  /** `{type: "file", file: {file_id}}` is spelled `{type: "file", file_id}`. */
  readonly flatFileParts?: boolean
  readonly keepCacheControl?: boolean
  /** The upstream is a gateway that understands the hub's extensions: messages travel unchanged. */
  readonly keepForeignFields?: boolean
  /** Earlier reasoning is sent back in this field; elsewhere it is removed. */
  readonly replayReasoning?: 'reasoning_content' | 'reasoning_details'
  /** Assistant turns with tool calls need `reasoning_content`; a single space stands in for a missing one. */
  readonly reasoningPlaceholder?: boolean

  // Answers.
  /** Answers differ from OpenAI's (reasoning field, content lists, usage), so they are translated, never relayed. */
  readonly normalizeAnswer?: boolean
  /** `completion_tokens` excludes reasoning tokens: they are added. Implies `normalizeAnswer`. */
  readonly addReasoningTokens?: boolean

  // Addressing.
  /** Put before model names that hold no slash. */
  readonly modelPrefix?: string
  /** Path of chat completions under the base path, where it is not `/chat/completions`. */
  readonly chatPath?: string
  /** Put behind an address that has no path of its own. */
  readonly basePath?: string
  /** Header that carries the key as it is, in place of a bearer token. */
  readonly apiKeyHeader?: string
  /** Header → environment variable it is filled from. */
  readonly headersFromEnv?: Readonly<Record<string, string>>
}
