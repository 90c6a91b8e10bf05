import { describe, expect, it } from 'vitest'
import { callOptions } from './call-options.ts'

describe('callOptions', () => {
  it('are one shared object for a call that sets nothing', () => {
    expect(callOptions({ model: 'm' }, {})).toBe(callOptions({}, { host: 'x' }))
  })

  it('read seconds as milliseconds; headers beat the body, timeout beats request_timeout', () => {
    expect(callOptions({ timeout: 1.5, stream_timeout: '2', num_retries: 3 }, {})).toMatchObject({
      timeout: 1500,
      streamTimeout: 2000,
      numRetries: 3,
    })
    expect(callOptions({ request_timeout: 4 }, {}).timeout).toBe(4000)
    expect(callOptions({ timeout: 1, request_timeout: 4 }, {}).timeout).toBe(1000)
    const headers = { 'x-litellm-timeout': '7', 'x-litellm-stream-timeout': '0.5', 'x-litellm-num-retries': '0' }
    expect(callOptions({ timeout: 1, stream_timeout: 1, num_retries: 1 }, headers)).toMatchObject({
      timeout: 7000,
      streamTimeout: 500,
      numRetries: 0,
    })
  })

  it('are bounded', () => {
    expect(callOptions({ timeout: 1e9, num_retries: 1e9 }, {})).toMatchObject({ timeout: 6_000_000, numRetries: 10 })
    const many = Array.from({ length: 17 }, (_, at) => `m${at}`)
    expect(() => callOptions({ fallbacks: many }, {})).toThrow(/at most 16/)
    expect(callOptions({ fallbacks: many.slice(1) }, {}).fallbacks).toHaveLength(16)
  })

  it('take null as not set', () => {
    expect(callOptions({ timeout: null, num_retries: null, fallbacks: null }, {})).toMatchObject({
      timeout: undefined,
      numRetries: undefined,
      fallbacks: undefined,
      disableFallbacks: false,
    })
  })

  it.each([
    [{ timeout: 'soon' }, 'timeout'],
    [{ timeout: '' }, 'timeout'],
    [{ timeout: -1 }, 'timeout'],
    [{ timeout: Number.NaN }, 'timeout'],
    [{ stream_timeout: [1] }, 'stream_timeout'],
    [{ num_retries: true }, 'num_retries'],
    [{ fallbacks: 'm' }, 'fallbacks'],
    [{ fallbacks: {} }, 'fallbacks'],
  ])('refuse %o', (body, param) => {
    expect(() => callOptions(body, {})).toThrow(expect.objectContaining({ code: 'invalid_request', param }))
  })

  it('disable fallbacks only by true', () => {
    expect(callOptions({ disable_fallbacks: true }, {}).disableFallbacks).toBe(true)
    expect(callOptions({ disable_fallbacks: 'true' }, {}).disableFallbacks).toBe(false)
  })
})
