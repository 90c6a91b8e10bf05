import type { z } from 'zod'

/** What the OpenAPI document is made from: the same schemas that check the request. */
export interface ApiDescription {
  readonly summary: string
  readonly description?: string | undefined
  /** Section of the document: `keys`, `teams`, … */
  readonly tag: string
  readonly params?: z.ZodType | undefined
  readonly query?: z.ZodType | undefined
  readonly body?: z.ZodType | undefined
  readonly response: z.ZodType
  /** Status of a success. Default: 200. */
  readonly status?: number | undefined
}
