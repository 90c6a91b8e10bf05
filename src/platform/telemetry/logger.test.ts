import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { UpstreamFailure } from '../errors/gateway-error.ts'
import { LiveSecret } from '../secrets/live-secret.ts'
import { Secret } from '../security/secret.ts'
import { createLogger, flushLogs, type Logger, type LogOptions } from './logger.ts'

function logged(write: (logger: Logger) => void, options: LogOptions = {}): string {
  let text = ''
  const gather = (line: string): void => {
    text += line
  }
  write(createLogger({ ...options, stream: { write: gather } }))
  return text
}
const record = (write: (logger: Logger) => void, options: LogOptions = {}) => JSON.parse(logged(write, options))

const key = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789'

it('writes one JSON line with level, time and fields', () => {
  expect(record(logger => logger.info({ status: 200 }, 'call'))).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    status: 200,
    msg: 'call',
  })
})

it('obeys the level', () => {
  expect(logged(logger => logger.debug('no'))).toBe('')
  expect(logged(logger => logger.debug('yes'), { level: 'debug' })).toContain('yes')
})

describe('redaction', () => {
  it.each<[string, (logger: Logger) => void]>([
    ['a Secret', logger => logger.info({ apiKey: new Secret(key), deep: { list: [new Secret(key)] } }, 'x')],
    ['a Secret in a template', logger => logger.info(`key ${new Secret(key)}`)],
    ['a format argument', logger => logger.info('key %s and %o', key, { authorization: key })],
    [
      'a header object',
      logger => logger.info({ headers: { Authorization: key, 'X-Api-Key': key, cookie: `a=${key}` } }),
    ],
    [
      'unusual credentials in headers',
      logger => logger.info({ headers: { 'api-key': key.slice(8), 'x-goog-api-key': key.slice(8) } }),
    ],
    ['a header list', logger => logger.info({ rawHeaders: ['accept', '*/*', 'authorization', key.slice(8)] })],
    [
      'a header with several values',
      logger => logger.info({ h: { 'set-cookie': [`a=${key.slice(8)}`, `b=${key.slice(8)}`] } }),
    ],
    ['a header with quotes', logger => logger.info({ h: { authorization: `Digest "a\\", ${key.slice(8)}` } })],
    ['a foreign error’s message', logger => logger.error(new Error(`Incorrect API key provided: ${key}`))],
    [
      'its fields',
      logger => logger.error({ err: Object.assign(new Error('x'), { config: { password: key }, request: key }) }, 'x'),
    ],
    ['its cause', logger => logger.error({ err: new Error('x', { cause: new Error(`Bearer ${key.slice(8)}`) }) }, 'x')],
    ['its stack', logger => logger.error({ err: new Error(`GET https://x/?key=${key.slice(8)}&a=1`) }, 'x')],
    [
      'an error under another key',
      logger => logger.error({ reason: Object.assign(new Error('x'), { token: key }) }, 'x'),
    ],
    [
      'a secret that may change',
      logger => {
        const live = new LiveSecret('os.environ/KEY', key, { refresh: async () => {}, grace: () => 0 })
        logger.info({ live, inUse: live.inUse }, `key ${live}`)
      },
    ],
    ['the user part of a URL', logger => logger.info(`at postgres://gateway:${key.slice(8)}@db:5432/x`)],
    ['a password with an @ in it', logger => logger.info({ url: `redis://:p@${key.slice(8)}@cache:6379` })],
    ['a vault’s token', logger => logger.info({ headers: { 'X-Vault-Token': key.slice(8) } }, `hvs.${key.slice(8)}`)],
    ['JSON inside a string', logger => logger.info(JSON.stringify({ 'x-api-key': key.slice(8) }))],
    ['a header in prose', logger => logger.info(`sent x-api-key: ${key.slice(8)}`)],
    ['a message cut in the middle of a key', logger => logger.error(new Error(`${'x '.repeat(992)}${key}`))],
  ])('covers %s', (_what, write) => {
    for (const level of ['info', 'debug'] as const) {
      const text = logged(write, { level })
      expect(text).not.toContain('abcdefgh')
      expect(() => JSON.parse(text)).not.toThrow()
    }
  })

  it('leaves the rest as it is', () => {
    const fields = {
      model: 'task-sk',
      note: 'asking for api-key rotation',
      n: 1,
      path: '/v1/messages?beta=true',
      at: 'http://host:8080/a@b',
    }
    expect(record(logger => logger.info(fields, 'Basic authentication is off; the disk-usage is low'))).toMatchObject({
      ...fields,
      msg: 'Basic authentication is off; the disk-usage is low',
    })
  })
})

describe('errors', () => {
  it('name code, kind, status and causes, with a stack only for debugging', () => {
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    const failure = new UpstreamFailure('connection', 'OpenAI: unreachable', { cause: reset })
    const write = (logger: Logger) => logger.warn({ err: failure }, 'attempt failed')
    expect(record(write).err).toEqual({
      type: 'UpstreamFailure',
      message: 'OpenAI: unreachable',
      code: 'upstream_unreachable',
      kind: 'connection',
      status: 502,
      cause: { type: 'Error', message: 'socket hang up', code: 'ECONNRESET' },
    })
    expect(record(write, { level: 'debug' }).err.stack).toContain('logger.test.ts')
  })

  it('are bounded', () => {
    let error = new Error('deepest')
    for (let depth = 0; depth < 100; depth++) error = new Error('x'.repeat(100_000), { cause: error })
    const { err } = record(logger => logger.error({ err: error }, 'x'))
    expect(err.message).toHaveLength(2001)
    expect(JSON.stringify(err).length).toBeLessThan(15_000)
  })

  it('survive causes in a circle and things that are no errors', () => {
    const circle = new Error('a')
    circle.cause = circle
    expect(record(logger => logger.error({ err: circle }, 'x')).err.message).toBe('a')
    expect(record(logger => logger.error({ err: 'text' }, 'x')).err).toEqual({ type: 'string', message: 'text' })
    expect(record(logger => logger.error({ err: { api_key: key } }, 'x')).err).toEqual({
      type: 'object',
      message: 'not an Error',
    })
  })

  it('show the first of several', () => {
    const both = new AggregateError([new Error('first'), new Error('second')], 'all failed')
    expect(record(logger => logger.error({ err: both }, 'x')).err.cause.message).toBe('first')
  })
})

describe('text for people', () => {
  const text = (write: (logger: Logger) => void, options: LogOptions = {}) =>
    logged(write, { format: 'text', colour: false, ...options }).replace(/^[\d:.]{12}/, '12:00:00.000')

  it('is one readable line', () => {
    expect(text(logger => logger.info({ group: 'gpt', note: 'two words', n: 1, o: { a: 1 } }, 'call'))).toBe(
      '12:00:00.000 INFO  call group=gpt note="two words" n=1 o={"a":1}\n',
    )
  })

  it('shows errors', () => {
    const failure = new UpstreamFailure('timeout', 'too slow')
    expect(text(logger => logger.error({ err: failure }, 'attempt failed'))).toBe(
      '12:00:00.000 ERROR attempt failed error="UpstreamFailure: too slow" error.code=upstream_timeout error.kind=timeout error.status=408\n',
    )
    expect(text(logger => logger.error(failure), { level: 'debug' })).toMatch(
      /^12:00:00.000 ERROR too slow .*\n {0,2}UpstreamFailure: too slow\n/,
    )
  })

  it('cannot be forged or drive the terminal', () => {
    const shown = text(logger => logger.info({ a: 'x\u001b[31m' }, 'one\n12:00:00.000 INFO  forged \u001b[2J'))
    expect(shown).not.toContain('\u001b')
    expect(
      shown
        .split('\n')
        .slice(1)
        .every(line => line === '' || line.startsWith('  ')),
    ).toBe(true)
  })

  it('redacts too, and has colours on demand', () => {
    expect(text(logger => logger.info(`key ${key}`))).toContain('key [redacted]')
    expect(text(logger => logger.warn('x'), { colour: true })).toContain('\u001b[33m')
  })
})

describe('the buffered destination', () => {
  const run = (body: string): string[] => {
    const module = new URL('./logger.ts', import.meta.url).href
    const script = `import { createLogger, flushLogs } from ${JSON.stringify(module)}\n${body}`
    return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
      .trim()
      .split('\n')
  }

  it('loses nothing at exit', () => {
    const written = run(
      "const log = createLogger(); for (let n = 0; n < 500; n++) log.info({ n }, 'x'); process.exit(0)",
    )
    expect(written.map(line => JSON.parse(line).n)).toEqual(Array.from({ length: 500 }, (_, n) => n))
  })

  it('does not keep the process alive, and flushes on demand', () => {
    const written = run(
      "const log = createLogger({ format: 'text' }); log.info('x'); await flushLogs(log); process.reallyExit(0)",
    )
    expect(written).toHaveLength(1)
    expect(run("createLogger().info('y')")).toHaveLength(1)
  })

  it('resolves for a stream without a buffer', async () => {
    await flushLogs(createLogger({ stream: { write: () => undefined } }))
  })
})
