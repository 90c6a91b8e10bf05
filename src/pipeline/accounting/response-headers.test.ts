import { describe, expect, it } from 'vitest'
import { deployment } from '../routing/routing.fixtures.ts'
import { finishedCall, hop } from './accounting.fixtures.ts'
import { headerValue, responseHead } from './response-headers.ts'
import { headerPairs } from './send-body.ts'

const own = deployment('d1', { group: 'chat', model: 'gpt' })

function headersOf(changes: Parameters<typeof finishedCall>[1], upstream = {}, cost?: number): Record<string, string> {
  const flat = headerPairs(responseHead(finishedCall('id-1', changes), 'application/json', upstream, cost))
  const headers: Record<string, string> = {}
  for (let at = 0; at < flat.length; at += 2) headers[flat[at] as string] = flat[at + 1] as string
  return headers
}

describe('responseHead', () => {
  it('name the deployment and what it took', () => {
    const plans = [{ group: 'chat', strategy: 's', reason: 'why', considered: [], chosen: 'd1' }]
    const headers = headersOf({
      deployment: own,
      retries: 1,
      fallbacks: 2,
      hops: [hop(own), hop(own)],
      plans,
      droppedParams: ['a', 'b'],
    })
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'x-litellm-call-id': 'id-1',
      'x-litellm-model-id': 'd1',
      'x-litellm-model-group': 'chat',
      'x-litellm-model-name': 'openai/gpt',
      'x-litellm-model-api-base': 'https://upstream.test/v1',
      'x-litellm-attempted-retries': '1',
      'x-litellm-attempted-fallbacks': '2',
      'x-routeiq-attempts': '2',
      'x-routeiq-strategy': 's',
      'x-routeiq-reason': 'why',
      'x-routeiq-config-version': '7-abc',
      'x-routeiq-dropped-params': 'a,b',
    })
  })

  it('say nothing of a deployment where there was none', () => {
    expect(Object.keys(headersOf({}))).not.toContain('x-litellm-model-id')
  })

  it('tell the cost exactly, and an unknown price as such', () => {
    expect(headersOf({}, {}, 69_000)['x-litellm-response-cost']).toBe('0.000069')
    expect(headersOf({}, {}, 0)['x-litellm-response-cost']).toBe('0')
    expect(headersOf({}, {}, -1)).toMatchObject({ 'x-routeiq-cost': 'unpriced' })
    expect(headersOf({}, {}, -1)['x-litellm-response-cost']).toBeUndefined()
    expect(headersOf({})['x-routeiq-cost']).toBeUndefined()
  })

  it('repeat the vendor’s request id and limits, and no other header of it', () => {
    const headers = headersOf(
      {},
      {
        'x-request-id': 'r',
        'x-ratelimit-limit-requests': '9',
        'set-cookie': ['a=b'],
        server: 'x',
        'anthropic-ratelimit-a': '1',
      },
    )
    expect(headers).toMatchObject({
      'llm_provider-x-request-id': 'r',
      'x-ratelimit-limit-requests': '9',
      'llm_provider-anthropic-ratelimit-a': '1',
    })
    expect(Object.keys(headers).filter(name => /cookie|server/.test(name))).toEqual([])
  })
})

describe('what others chose', () => {
  it('ends no line, wherever it stands', () => {
    const evil = 'a\r\nx-injected: yes\n\0ü'
    const plan = { group: 'chat', strategy: 's', reason: evil, considered: [], chosen: 'd1' }
    const named = deployment(evil, { group: evil, model: evil })
    const call = finishedCall('id-1', { deployment: named, plans: [plan], droppedParams: [evil] })
    const upstream = { 'x-request-id': evil, 'x-ratelimit-limit-requests': evil }
    const lines = responseHead(call, 'application/json', upstream, 5).split('\r\n')
    expect(lines.pop()).toBe('')
    for (const line of lines) expect(line).toMatch(/^[\w-]+: [\x20-\x7e]*$/)
    expect(lines.filter(line => line.startsWith('x-injected'))).toEqual([])
  })
})

describe('headerValue', () => {
  it.each([
    ['plain text', 'plain text'],
    ['two\r\nlines: x', 'two  lines: x'],
    ['grün', 'gr%C3%BCn'],
    ['😀', '%F0%9F%98%80'],
    ['\ud800', '?'],
    ['a\0b\x7f', 'a b '],
  ])('%j → %j', (text, value) => {
    expect(headerValue(text)).toBe(value)
  })

  it('is bounded', () => {
    expect(headerValue('x'.repeat(5000))).toHaveLength(1024)
    expect(headerValue('ü'.repeat(5000)).length).toBeLessThanOrEqual(1800)
  })
})
