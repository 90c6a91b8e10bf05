import { z } from 'zod'

/** Ids with commas between, as LiteLLM takes lists in query strings. */
export const idList = z.string().transform(text =>
  text
    .split(',')
    .map(id => id.trim())
    .filter(id => id !== '')
    .slice(0, 500),
)

export const idText = z.string().min(1).max(512)
