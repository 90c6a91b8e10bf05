import { createServer, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { bodyToSend, headerPairs, keepAliveTimeout, sendBody } from './send-body.ts'

let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(answer: (response: ServerResponse) => void): Promise<number> {
  server = createServer({ keepAliveTimeout }, (_request, response) => answer(response))
  await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** Everything the server says to these bytes, until it closes the connection or nothing more comes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    let said = ''
    socket.setEncoding('latin1')
    socket.on('data', text => {
      said += text
    })
    socket.setTimeout(150, () => {
      socket.destroy()
      resolve(`${said}<open>`)
    })
    socket.on('end', () => resolve(`${said}<closed>`))
    socket.on('error', reject)
  })
}

const get = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'
const withoutDate = (text: string): string => text.replaceAll(/Date: [A-Z][a-z]{2}, \d\d .* GMT/g, 'Date: -')

describe('sendBody', () => {
  it('writes the head Node itself would write', async () => {
    const head = 'content-type: text/plain\r\nx-a: one two\r\nx-empty: \r\n'
    const own = await serve(response => sendBody(response, 200, head, 'body'))
    const sent = await exchange(own, get)
    server?.closeAllConnections()
    server?.close()
    const usual = await serve(response => {
      response.writeHead(200, [...headerPairs(head), 'content-length', '4'])
      response.end('body')
    })
    expect(withoutDate(sent)).toBe(withoutDate(await exchange(usual, get)))
    expect(sent).toMatch(/Date: .* GMT\r\n/)
    expect(sent).toMatch(/\r\n\r\nbody<open>$/)
  })

  it('answers pipelined requests on one connection, in their order', async () => {
    let count = 0
    const port = await serve(response => {
      count++
      const body = `answer ${count}`
      // The first is ready last.
      setTimeout(() => sendBody(response, 200, `x-n: ${count}\r\n`, body), count === 1 ? 30 : 0)
    })
    const sent = await exchange(port, get + get)
    expect(sent.indexOf('answer 1')).toBeGreaterThan(0)
    expect(sent.indexOf('answer 2')).toBeGreaterThan(sent.indexOf('answer 1'))
    expect(sent.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
  })

  it.each([
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
    ['a caller that closes', 'GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n'],
  ])('closes the connection after the answer for %s', async (_case, bytes) => {
    const port = await serve(response => sendBody(response, 200, 'x-a: b\r\n', 'body'))
    const sent = await exchange(port, bytes)
    expect(sent).toMatch(/\r\n\r\nbody<closed>$/)
    expect(sent).toContain('Connection: close')
  })

  it('heeds a connection header that was set before', async () => {
    const port = await serve(response => {
      response.setHeader('Connection', 'close')
      sendBody(response, 200, 'x-a: b\r\n', 'body')
    })
    expect(await exchange(port, get)).toMatch(/Connection: close\r\n[\s\S]*body<closed>$/)
  })

  it.each([
    ['text beyond Latin-1', 'grün 😀'],
    ['a long text', 'x'.repeat(300_000)],
    ['bytes', Buffer.from('grün')],
    ['nothing', ''],
  ])('sends %s whole', async (_case, body) => {
    const port = await serve(response => sendBody(response, 200, 'content-type: text/plain\r\n', body))
    const received = await new Promise<string>((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1' }, response => {
        response.setEncoding('utf8')
        let text = ''
        response.on('data', piece => {
          text += piece
        })
        response.on('end', () => resolve(text))
      })
      sent.on('error', reject)
      sent.end()
    })
    expect(received).toBe(body.toString())
  })

  it('tells the response that its head is out and that it has ended', async () => {
    const seen: unknown[] = []
    const port = await serve(response => {
      response.on('finish', () => seen.push('finish'))
      response.on('close', () => seen.push('close'))
      sendBody(response, 200, '', 'body')
      seen.push(response.headersSent, response.writableEnded)
    })
    await exchange(port, get)
    expect(seen).toEqual([true, true, 'finish', 'close'])
  })

  it('keeps the status of a refusal', async () => {
    const port = await serve(response => sendBody(response, 429, 'retry-after: 1\r\n', 'no'))
    expect(await exchange(port, get)).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/)
  })
})

it('headerPairs takes lines apart at their first colon', () => {
  expect(headerPairs('a: b: c\r\nempty: \r\n')).toEqual(['a', 'b: c', 'empty', ''])
  expect(headerPairs('')).toEqual([])
})

describe('bodyToSend', () => {
  it('is the text only where a character is a byte', () => {
    expect(bodyToSend(Buffer.from('abc'), 'abc')).toBe('abc')
    const wide = Buffer.from('grün')
    expect(bodyToSend(wide, 'grün')).toBe(wide)
    const long = Buffer.alloc(20_000, 'a')
    expect(bodyToSend(long, long.toString())).toBe(long)
  })
})
