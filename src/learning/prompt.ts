/** What routing knows of a request before anybody has answered it. Made once per call and only for learned routes. */
export interface Prompt {
  /** The last turn of the user; of a completion, the prompt; of a training row, its text. */
  readonly text: string
  /** System and developer messages; empty where there are none. */
  readonly system: string
  readonly shape: PromptShape
}

/** Facts of a request beside its words. Zero, or undefined, where the data do not say. */
export interface PromptShape {
  /** Messages of users and assistants, this one included. */
  readonly turns: number
  /** Characters of everything before the last turn, system text left out. */
  readonly historyCharacters: number
  readonly tools: number
  /** Deepest nesting in the tools' parameter schemas. */
  readonly toolSchemaDepth: number
  /** The last message is a tool's result: a switch of models now would be in the middle of its loop. */
  readonly inToolLoop: boolean
  readonly lastToolFailed: boolean
  readonly images: number
  readonly audio: number
  readonly jsonSchema: boolean
  readonly stream: boolean
  readonly maxOutputTokens: number | undefined
  readonly temperature: number | undefined
}

export const plainShape: PromptShape = {
  turns: 1,
  historyCharacters: 0,
  tools: 0,
  toolSchemaDepth: 0,
  inToolLoop: false,
  lastToolFailed: false,
  images: 0,
  audio: 0,
  jsonSchema: false,
  stream: false,
  maxOutputTokens: undefined,
  temperature: undefined,
}

/** A prompt of words alone, as training data have it. */
export const promptOf = (text: string, system = ''): Prompt => ({ text, system, shape: plainShape })
