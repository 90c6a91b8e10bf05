import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { failure } from './failure.ts'

describe('failure', () => {
  it.each([
    [
      'OpenAI',
      400,
      '{"error":{"message":"bad n","type":"invalid_request_error","param":"n","code":null}}',
      'bad_request',
      'bad n',
    ],
    ['a text', 500, '{"error":"boom"}', 'internal_server', 'boom'],
    ['message', 503, '{"message":"busy"}', 'service_unavailable', 'busy'],
    ['detail', 422, '{"detail":"wrong"}', 'unprocessable_entity', 'wrong'],
    [
      'a list of details',
      422,
      '{"detail":[{"loc":["body"],"msg":"field required"}]}',
      'unprocessable_entity',
      'field required',
    ],
    ['an array', 429, '[{"error":{"message":"slow"}}]', 'rate_limit', 'slow'],
    ['errors', 404, '{"errors":[{"message":"gone"}]}', 'not_found', 'gone'],
    ['HTML', 502, '<html><head><title>502 Bad Gateway</title></head></html>', 'bad_gateway', '502 Bad Gateway'],
    ['plain text', 500, 'oops', 'internal_server', 'oops'],
    ['nothing', 500, '', 'internal_server', 'HTTP 500'],
    ['too long', 400, '{"error":{"message":"m","code":"context_length_exceeded"}}', 'context_window_exceeded', 'm'],
  ])('%s', (_name, status, body, kind, says) => {
    const made = failure(status, { 'retry-after': '3' }, body)
    expect(made).toMatchObject({ kind, status, retryAfter: 3 })
    expect(made.message).toContain(says)
  })

  it('keeps the vendor’s code and param', () => {
    const body = '{"error":{"message":"m","type":"t","param":"messages","code":"insufficient_quota"}}'
    expect(failure(429, {}, body)).toMatchObject({ vendorCode: 'insufficient_quota', param: 'messages' })
  })

  it.each(['sk-proj-abcdef123456', 'sk-abc***wxyz', 'gsk_abcdefghijk', 'Bearer abc.def'])('never shows %s', key => {
    for (const body of [
      JSON.stringify({ error: { message: `Incorrect API key provided: ${key}.` } }),
      `denied ${key}`,
    ]) {
      const made = failure(401, {}, body)
      expect(made.message).not.toContain(key)
      expect(made.message).toContain('[redacted]')
    }
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.integer(), fc.oneof(fc.string(), fc.json()), (status, body) => {
        expect(failure(status, {}, body)).toBeInstanceOf(UpstreamFailure)
      }),
    )
  })
})
