import { z } from 'zod'
import { maxPage } from './discovery.ts'
import { type Filter, parseFilter } from './filter.ts'
import type { Resource } from './patch.ts'
import { ScimError } from './scim-error.ts'

const whole = z.coerce.number().int()
const listQuery = z.object({
  filter: z.string().optional(),
  startIndex: whole.optional(),
  count: whole.optional(),
  attributes: z.string().max(2000).optional(),
  excludedAttributes: z.string().max(2000).optional(),
})

export interface ScimQuery {
  readonly filter: Filter | undefined
  /** From 1. */
  readonly startIndex: number
  readonly count: number
  readonly shape: ResourceShape
}

/** Which attributes are wanted; lower case. */
export interface ResourceShape {
  readonly only: readonly string[] | undefined
  readonly without: readonly string[]
}

/** @throws ScimError */
export function readQuery(query: unknown): ScimQuery {
  const parsed = listQuery.safeParse(query)
  if (!parsed.success) throw new ScimError(400, 'startIndex and count must be whole numbers.', 'invalidValue')
  const { filter, startIndex, count, attributes, excludedAttributes } = parsed.data
  return {
    filter: filter === undefined || filter.trim() === '' ? undefined : parseFilter(filter),
    // RFC 7644 §3.4.2.4: less than 1 means 1, a negative count means 0.
    startIndex: Math.max(1, startIndex ?? 1),
    count: Math.min(maxPage, Math.max(0, count ?? maxPage)),
    shape: {
      only: attributes === undefined || attributes === '' ? undefined : names(attributes),
      without: names(excludedAttributes ?? ''),
    },
  }
}

const names = (text: string): readonly string[] =>
  text
    .split(',')
    .map(name => name.trim().toLowerCase())
    .map(name => (name.startsWith('urn:') ? name.slice(name.lastIndexOf(':') + 1) : name))
    .filter(name => name !== '')

/** `id` and `schemas` are always returned. Whole attributes only; of `name.givenName` all of `name`. */
export function shaped(resource: Resource, { only, without }: ResourceShape): Resource {
  if (only === undefined && without.length === 0) return resource
  const top = only?.map(name => name.split('.')[0])
  return Object.fromEntries(
    Object.entries(resource).filter(([key]) => {
      const name = key.toLowerCase()
      if (name === 'id' || name === 'schemas') return true
      return !without.includes(name) && (top === undefined || top.includes(name))
    }),
  )
}

/** Whether an attribute will be in the answer: members of large groups need not be read otherwise. */
export const wants = ({ only, without }: ResourceShape, attribute: string): boolean =>
  !without.includes(attribute) && (only === undefined || only.some(name => name.split('.')[0] === attribute))
