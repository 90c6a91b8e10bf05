import { describe, expect, it } from 'vitest'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { transportFailure } from './transport-failure.ts'

const withCode = (code: string): Error => Object.assign(new Error(`connect ${code} 10.1.2.3:443`), { code })

describe('transportFailure', () => {
  it.each([
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout', 408],
    ['ETIMEDOUT', 'timeout', 408],
    ['ECONNREFUSED', 'connection', 502],
    ['ENOTFOUND', 'connection', 502],
    ['ECONNRESET', 'connection', 502],
    ['UND_ERR_SOCKET', 'connection', 502],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'bad_gateway', 502],
    ['UND_ERR_HEADERS_OVERFLOW', 'bad_gateway', 502],
    ['HPE_INVALID_CONSTANT', 'bad_gateway', 502],
    ['CERT_HAS_EXPIRED', 'connection', 502],
  ])('%s', (code, kind, status) => {
    const failure = transportFailure(withCode(code), 'Vendor')
    expect(failure).toMatchObject({ kind, status })
    // The cause is named; where the upstream lives is not the caller's business.
    expect(failure.message).toMatch(/^Vendor: /)
    expect(failure.message).not.toContain('10.1.2.3')
  })

  it('knows a parser error without a code', () => {
    const error = Object.assign(new Error('Expected HTTP/'), { name: 'HTTPParserError', code: undefined })
    expect(transportFailure(error, 'V')).toMatchObject({ kind: 'bad_gateway' })
  })

  it('keeps failures as they are and tells a denied address from a broken line', () => {
    const failure = new UpstreamFailure('rate_limit', 'slow down')
    expect(transportFailure(failure, 'V')).toBe(failure)
    const denied = new GatewayError('egress_denied', 'private address')
    expect(transportFailure(denied, 'V')).toMatchObject({
      kind: 'permission_denied',
      code: 'egress_denied',
      status: 403,
    })
  })

  it('does not blame the line for a defect of our own', () => {
    expect(transportFailure(new TypeError('x is undefined'), 'V')).toMatchObject({
      code: 'internal_error',
      status: 500,
    })
  })

  it.each([undefined, null, 'text', 7, {}])('takes anything that was thrown: %s', thrown => {
    expect(transportFailure(thrown, 'V')).toMatchObject({ kind: 'connection', message: 'V: the call failed.' })
  })
})
