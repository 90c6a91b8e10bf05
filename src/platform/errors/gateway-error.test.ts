import { describe, expect, it } from 'vitest'
import { GatewayError, UpstreamFailure } from './gateway-error.ts'

describe('the code shown to OpenAI callers', () => {
  it('is the vendor’s own where it has one', () => {
    expect(new GatewayError('missing_field', 'x').shownCode).toBe('missing_field')
    expect(new UpstreamFailure('rate_limit', 'x').shownCode).toBe('rate_limit_exceeded')
    expect(new UpstreamFailure('rate_limit', 'x', { vendorCode: 'insufficient_quota' }).shownCode).toBe(
      'insufficient_quota',
    )
    const filtered = new UpstreamFailure('content_policy_violation', 'x', { vendorCode: 'content_filter' })
    expect(filtered.shownCode).toBe('content_filter')
  })

  it.each(['invalid_request_error', 'INVALID_ARGUMENT'])('is ours where the vendor only says %s', vendorCode => {
    expect(new UpstreamFailure('context_window_exceeded', 'x', { vendorCode }).shownCode).toBe(
      'context_length_exceeded',
    )
    expect(new UpstreamFailure('bad_request', 'x', { vendorCode }).shownCode).toBe(vendorCode)
  })
})
