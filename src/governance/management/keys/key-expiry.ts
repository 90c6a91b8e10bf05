import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { after, parseDuration } from '../../limits/durations.ts'
import { momentOf } from '../../limits/limit-values.ts'
import type { Management } from '../management.ts'

/**
 * `temp_budget_expiry` as an ISO time: requests give a date, or a length from now (`10d`).
 * @throws GatewayError 400: an end that nobody understands would never come, or have come already
 */
export function withTemporaryEnd<T extends { readonly temp_budget_expiry?: string | null | undefined }>(
  management: Management,
  request: T,
): T {
  const { temp_budget_expiry: text } = request
  if (text == null) return request
  const length = parseDuration(/^\d+$/.test(text) ? undefined : text)
  const at = length === undefined ? momentOf(text) : after(management.clock.epoch(), length)
  if (at === undefined) {
    throw new GatewayError(
      'invalid_request',
      `'temp_budget_expiry' must be a date ("2027-01-15"), a time, or a length from now ("10d").`,
      { param: 'temp_budget_expiry' },
    )
  }
  return { ...request, temp_budget_expiry: new Date(at).toISOString() }
}
