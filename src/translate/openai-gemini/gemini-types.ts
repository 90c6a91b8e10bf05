/**
 * Gemini's generateContent wire, as JSON (camelCase), reduced to what is translated.
 * Shapes follow the official `@google/genai` types. Answers are lenient: every field may be missing.
 */

export interface GeminiPart {
  text?: string
  thought?: boolean
  thoughtSignature?: string
  inlineData?: { mimeType?: string; data?: string; displayName?: string }
  fileData?: { mimeType?: string; fileUri?: string; displayName?: string }
  functionCall?: { id?: string; name?: string; args?: unknown }
  functionResponse?: GeminiFunctionResponse
  videoMetadata?: Record<string, unknown>
  mediaResolution?: { level: string }
  [extra: string]: unknown
}

export interface GeminiFunctionResponse {
  id?: string
  name: string
  response: Record<string, unknown>
  parts?: Pick<GeminiPart, 'inlineData' | 'fileData'>[]
}

export interface GeminiContent {
  role?: 'user' | 'model'
  parts: GeminiPart[]
}

export interface GeminiFunctionDeclaration {
  name: string
  description?: string
  parameters?: GeminiSchema
}

/** One group of function declarations, or a hosted tool such as `{ googleSearch: {} }`. */
export type GeminiTool = { functionDeclarations?: GeminiFunctionDeclaration[]; [hosted: string]: unknown }

/** The OpenAPI 3.0 subset that every Gemini model accepts in `parameters` and `responseSchema`. */
export interface GeminiSchema {
  type?: 'STRING' | 'NUMBER' | 'INTEGER' | 'BOOLEAN' | 'ARRAY' | 'OBJECT'
  format?: string
  title?: string
  description?: string
  nullable?: boolean
  default?: unknown
  example?: unknown
  enum?: string[]
  items?: GeminiSchema
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  minimum?: number
  maximum?: number
  properties?: Record<string, GeminiSchema>
  minProperties?: number
  maxProperties?: number
  required?: string[]
  propertyOrdering?: string[]
  anyOf?: GeminiSchema[]
}

export interface GeminiRequest {
  contents: GeminiContent[]
  systemInstruction?: GeminiContent
  tools?: GeminiTool[]
  toolConfig?: Record<string, unknown>
  generationConfig?: Record<string, unknown>
  safetySettings?: unknown
  cachedContent?: unknown
  serviceTier?: string
  [extra: string]: unknown
}

export interface GeminiCandidate {
  index?: number
  content?: { role?: string; parts?: GeminiPart[] | null } | null
  finishReason?: string
  finishMessage?: string
  groundingMetadata?: GeminiGrounding
  urlContextMetadata?: unknown
  citationMetadata?: unknown
  safetyRatings?: unknown
  continuationToken?: string
  logprobsResult?: GeminiLogprobs
}

export interface GeminiGrounding {
  groundingChunks?: { [kind: string]: { uri?: string; title?: string } | undefined }[]
  groundingSupports?: {
    groundingChunkIndices?: number[]
    segment?: { startIndex?: number; endIndex?: number; partIndex?: number; text?: string }
  }[]
  webSearchQueries?: string[]
  [extra: string]: unknown
}

export interface GeminiLogprob {
  token?: string
  logProbability?: number
}

export interface GeminiLogprobs {
  chosenCandidates?: GeminiLogprob[]
  topCandidates?: { candidates?: GeminiLogprob[] }[]
}

export interface GeminiModalityCount {
  modality?: string
  tokenCount?: number
}

export interface GeminiUsage {
  promptTokenCount?: number
  cachedContentTokenCount?: number
  candidatesTokenCount?: number
  thoughtsTokenCount?: number
  toolUsePromptTokenCount?: number
  totalTokenCount?: number
  promptTokensDetails?: GeminiModalityCount[]
  candidatesTokensDetails?: GeminiModalityCount[]
  toolUsePromptTokensDetails?: GeminiModalityCount[]
}

export interface GeminiResponse {
  candidates?: GeminiCandidate[]
  promptFeedback?: { blockReason?: string; blockReasonMessage?: string; safetyRatings?: unknown }
  usageMetadata?: GeminiUsage
  modelVersion?: string
  responseId?: string
  error?: unknown
}

/** The value where it is a string, else ''. `String()` would run a `toString` that came with the request. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
