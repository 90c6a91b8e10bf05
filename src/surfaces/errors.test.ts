import { describe, expect, it } from 'vitest'
import { catalogue, type ErrorCode } from '../platform/errors/catalogue.ts'
import { GatewayError, UpstreamFailure } from '../platform/errors/gateway-error.ts'
import { anthropicErrorBody, anthropicErrorEvent } from './anthropic/errors.ts'
import { openaiErrorBody, openaiErrorEvent } from './openai/errors.ts'

describe('errors in the caller’s dialect', () => {
  it.each(Object.keys(catalogue) as ErrorCode[])('%s', code => {
    const error = new GatewayError(code, 'what to do', { param: 'messages' })
    expect(JSON.parse(openaiErrorBody(error))).toEqual({
      error: { message: 'what to do', type: catalogue[code].openai, param: 'messages', code },
    })
    expect(JSON.parse(anthropicErrorBody(error, 'id-1'))).toEqual({
      type: 'error',
      error: {
        type: code === 'request_too_large' ? 'request_too_large' : catalogue[code].anthropic,
        message: 'what to do',
      },
      request_id: 'id-1',
    })
  })

  it('has Anthropic’s own words for two statuses of an upstream', () => {
    const typeOf = (status: number): unknown =>
      JSON.parse(anthropicErrorBody(new UpstreamFailure('bad_request', 'm', { status }), 'id')).error.type
    expect([typeOf(529), typeOf(413), typeOf(400)]).toEqual([
      'overloaded_error',
      'request_too_large',
      'invalid_request_error',
    ])
  })

  it('ends a stream as each dialect ends', () => {
    const error = new UpstreamFailure('timeout', 'late\n\nvery late')
    expect(openaiErrorEvent(error)).toMatch(/^data: \{"error":[^\n]+\}\n\ndata: \[DONE\]\n\n$/)
    expect(anthropicErrorEvent(error)).toMatch(/^event: error\ndata: \{"type":"error"[^\n]+\}\n\n$/)
  })
})
