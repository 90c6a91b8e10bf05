import { z } from 'zod'

const day = /^\d{4}-\d{2}-\d{2}$/
const zoned = /(?:[zZ]|[+-]\d{2}:?\d{2})$/

/** Epoch ms of an ISO 8601 date or time; without a zone it is UTC. `end`: a date means its last millisecond. */
function moment(end: boolean) {
  return z.string().transform((text, context) => {
    const written = text.trim().replace(' ', 'T')
    const full = day.test(written)
      ? `${written}T${end ? '23:59:59.999' : '00:00:00'}Z`
      : zoned.test(written)
        ? written
        : `${written}Z`
    const at = Date.parse(full)
    if (!Number.isNaN(at)) return at
    context.addIssue({ code: 'custom', message: 'expected a date such as 2026-01-31 or 2026-01-31T12:00:00Z' })
    return z.NEVER
  })
}

export const startOf = moment(false)
export const endOf = moment(true)
