import { corpus, models, type Sample } from './corpus.ts'
import { damage, mutate, toText } from './mutate.ts'
import { Random } from './random.ts'

export interface FuzzedRequest {
  /** The bytes of one HTTP request. */
  readonly bytes: Buffer
  readonly method: string
  /** The dialect in which an error must come. */
  readonly dialect: 'openai' | 'anthropic'
  /** The request's own bytes do not fit together: a refusal or a closed connection are both right. */
  readonly broken: boolean
  /** Nothing is wrong with it: it must be answered. */
  readonly valid: boolean
}

/** Request number `index` of a run: depends on nothing but the seed and the number. */
export function fuzzedRequest(seed: number, index: number, key: string): FuzzedRequest {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ index)
  const sample = random.pick(corpus)
  const model = random.chance(0.95)
    ? random.pick(models)
    : random.pick(['', 'm-unknown', '*', 'm-openai\u0000', '../m', '🌲'])
  const body = sample.path.includes('/deployments/') ? sample.body : { model, ...sample.body }
  const roll = random.next()
  if (roll < 0.08)
    return request(sample, key, Buffer.from(toText(body)), random, {
      valid: model === 'm-openai' && sample.dialect === 'openai' && sample.refused !== true,
    })
  if (roll < 0.68) return request(sample, key, Buffer.from(toText(mutate(body, random))), random, {})
  if (roll < 0.8) return request(sample, key, damage(toText(body), random), random, {})
  const text = Buffer.from(toText(random.chance(0.5) ? body : mutate(body, random)))
  if (roll < 0.9) return request(sample, key, text, random, { headers: true })
  return request(sample, key, text, random, { line: true })
}

interface Twist {
  readonly headers?: boolean
  readonly line?: boolean
  readonly valid?: boolean
}

const paths = [
  '/',
  '/v1',
  '/v1/',
  '/v1/chat/completions/',
  '/v1//chat/completions',
  '/V1/CHAT/COMPLETIONS',
  '/v1/chat/completions%00',
  '/v1/chat/%2e%2e/completions',
  '/%zz',
  '/%ff%fe',
  '/../../etc/passwd',
  '/chat/completions?a=b&a=c&__proto__=1',
  '/engines/m-openai/chat/completions',
  '/openai/deployments//chat/completions',
  '/openai/deployments/a%2fb/embeddings',
  `/${'a'.repeat(3000)}`,
  '/v1/models',
  '/v1/models/m-openai',
  '/v1/models/%00',
  '/v1/routeiq/explain/x',
  '/health/liveliness',
  '/health/readiness',
  '/config/reload/x',
  '/anthropic/v1/messages',
  '/v1/messages/count_tokens',
  '/v1/messages/batches',
  '*',
]

const types = [
  'text/plain',
  'application/xml',
  '',
  'application/json; charset=utf-16',
  'multipart/form-data',
  ';',
  'APPLICATION/JSON',
  'application/json,application/json',
]

function request(sample: Sample, key: string, body: Buffer, random: Random, twist: Twist): FuzzedRequest {
  let method = 'POST'
  let { path, dialect } = sample
  const headers: string[] = []
  let authorization = random.chance(0.5) ? `authorization: Bearer ${key}` : `x-api-key: ${key}`
  let type = 'content-type: application/json'
  let length = `content-length: ${body.length}`
  let framed = body
  let broken = false
  if (dialect === 'anthropic') headers.push('anthropic-version: 2023-06-01')
  if (twist.line === true) {
    if (random.chance(0.5)) method = random.pick(['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD'])
    if (random.chance(0.7)) {
      path = random.pick(paths)
      dialect = dialectAt(path, dialect)
    }
  }
  if (twist.headers === true) {
    switch (random.below(10)) {
      case 0:
        authorization = random.pick([
          '',
          'authorization: ',
          'authorization: Bearer',
          'authorization: Basic eA==',
          'authorization: Bearer sk-wrong',
        ])
        break
      case 1:
        authorization = `${authorization}\r\n${random.pick([authorization, 'authorization: Bearer other', 'x-api-key: other'])}`
        break
      case 2:
        type = `content-type: ${random.pick(types)}`
        break
      case 3:
        type = ''
        break
      case 4:
        headers.push(`x-litellm-timeout: ${random.pick(['abc', '-1', '1e99', '', 'NaN', '0.5, 3'])}`)
        break
      case 5:
        headers.push(`x-litellm-num-retries: ${random.pick(['-1', '2.5', 'x', '0x1'])}`, 'x-litellm-call-id: <script>')
        break
      case 6:
        headers.push(`anthropic-beta: ${'b,'.repeat(random.below(500))}`, 'anthropic-version: \u00ff\u00fe')
        break
      case 7:
        length = 'transfer-encoding: chunked'
        framed = chunked(body, random)
        break
      case 8:
        length = random.pick([
          'content-length: -5',
          'content-length: 1e3',
          'content-length: x',
          `content-length: ${body.length}\r\ncontent-length: 3`,
          `content-length: ${body.length}\r\ntransfer-encoding: chunked`,
        ])
        broken = true
        break
      default:
        headers.push(
          random.pick([
            'accept-encoding: gzip',
            'expect: 100-continue',
            'x-a: \u0080\u00ff',
            `x-long: ${'a'.repeat(8000)}`,
            'content-encoding: gzip',
            'connection: keep-alive',
          ]),
        )
    }
  }
  const head = [`${method} ${path} HTTP/1.1`, 'host: fuzz', authorization, type, length, ...headers].filter(
    line => line !== '',
  )
  return {
    bytes: Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), framed]),
    method,
    dialect,
    broken,
    valid: twist.valid === true,
  }
}

/** Routes have a dialect of their own; where there is no route, the headers tell what the caller speaks. */
function dialectAt(path: string, spoken: Sample['dialect']): Sample['dialect'] {
  if (/^(\/anthropic)?\/v1\/messages(\/count_tokens)?$/.test(path)) return 'anthropic'
  return openaiRoutes.test(path) ? 'openai' : spoken
}

const openaiRoutes =
  /^(\/|\*|\/v1\/chat\/completions\/?|\/chat\/completions\?.*|\/engines\/.*|\/openai\/deployments\/.*|\/v1\/models.*|\/v1\/routeiq\/.*|\/health\/.*)$/

function chunked(body: Buffer, random: Random): Buffer {
  const parts: Buffer[] = []
  for (let from = 0; from < body.length; ) {
    const piece = body.subarray(from, from + 1 + random.below(400))
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
    from += piece.length
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}
