import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EgressDoors } from '../../src/platform/security/egress-doors.ts'
import { egressConfiguration } from '../../src/platform/security/egress-policies.ts'

/** 127.0.0.2 stands for a place on the public internet that the attacker owns, 127.0.0.1 for the inside. */
let server: Server
let port: number
let made: EgressDoors
let paths: string[] = []
let inside = 0
let hops: readonly string[] = []
let status = 302

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.socket.localAddress !== '127.0.0.2') inside++
    paths.push(request.url ?? '')
    const step = Number(/^\/hop\/(\d+)/.exec(request.url ?? '')?.[1] ?? Number.NaN)
    const next = hops[step]
    if (next === undefined) response.end('the end')
    else response.writeHead(status, { location: next }).end()
  })
  await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
  port = (server.address() as AddressInfo).port
  const rules = { allow_cidrs: ['127.0.0.2/32'], ports: [port] }
  made = new EgressDoors(egressConfiguration({ image_fetch: rules, webhooks: rules }))
})
afterAll(async () => {
  await made.destroy()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

async function follow(chain: readonly string[], redirects = 10): Promise<string> {
  hops = chain
  paths = []
  inside = 0
  return made.request('image_fetch', `http://127.0.0.2:${port}/hop/0`, { redirects, timeout: 3000 }).then(
    answer => answer.text(),
    error => error.code,
  )
}

/** A hostile place to be sent to, and its twin: the same form, leading to where it is allowed. */
const places = (): (readonly [hostile: string, twin: string])[] => [
  [`http://127.0.0.1:${port}/`, `http://127.0.0.2:${port}/`],
  [`http://127.1:${port}/`, `http://127.2:${port}/`],
  [`http://2130706433:${port}/`, `http://2130706434:${port}/`],
  [`http://0x7f.1:${port}/`, `http://0x7f.2:${port}/`],
  [`http://0177.0.0.1:${port}/`, `http://0177.0.0.2:${port}/`],
  [`//127.0.0.1:${port}/`, `//127.0.0.2:${port}/`],
  [`///127.0.0.1:${port}/`, `///127.0.0.2:${port}/`],
  [`\\\\127.0.0.1:${port}\\`, `\\\\127.0.0.2:${port}\\`],
  [`/\\127.0.0.1:${port}/`, `/\\127.0.0.2:${port}/`],
  [`http:\\\\127.0.0.1:${port}`, `http:\\\\127.0.0.2:${port}`],
  [`HTTP://127.0.0.1:${port}/`, `HTTP://127.0.0.2:${port}/`],
  [`http://127%2e0%2e0%2e1:${port}/`, `http://127%2e0%2e0%2e2:${port}/`],
  [`http://127.0.0.1.:${port}/`, `http://127.0.0.2.:${port}/`],
  [`http://[::ffff:127.0.0.1]:${port}/`, `http://[::ffff:127.0.0.2]:${port}/`],
  [`http://[::ffff:7f00:1]:${port}/`, `http://[::ffff:7f00:2]:${port}/`],
  [`http://localhost:${port}/`, `http://127.0.0.2:${port}/`],
  [`http://127.0.0.2@127.0.0.1:${port}/`, `http://127.0.0.2:${port}/@127.0.0.1`],
  [`http://user:pass@127.0.0.2:${port}/`, `http://127.0.0.2:${port}/`],
  [`http://127.0.0.2:1/`, `http://127.0.0.2:${port}/`],
  [`http://169.254.169.254/latest/meta-data/`, `http://127.0.0.2:${port}/latest/meta-data/`],
  [`http://[fd00:ec2::254]/`, `http://127.0.0.2:${port}/`],
  [`http://metadata.localhost/`, `http://127.0.0.2:${port}/`],
  [`http://10.0.0.1/`, `http://127.0.0.2:${port}/`],
  [`https://127.0.0.1:${port}/`, `http://127.0.0.2:${port}/`],
  [`file:///etc/passwd`, `/etc/passwd`],
  [`gopher://127.0.0.1:6379/_INFO`, `/_INFO`],
  [`ftp://127.0.0.2/`, `/`],
  [`javascript:alert(1)`, `/alert(1)`],
  [`data:text/plain,x`, `/text/plain,x`],
  [`http://`, `/`],
  [`http://[`, `/[`],
]

describe('a redirect', () => {
  it('is refused at the first hop, and its twin followed', async () => {
    for (const [hostile, twin] of places()) {
      expect([hostile, await follow([hostile])]).toEqual([hostile, 'egress_denied'])
      expect([hostile, inside, paths]).toEqual([hostile, 0, ['/hop/0']])
      expect([twin, await follow([twin])]).toEqual([twin, 'the end'])
    }
  })

  it('is refused behind good ones as well', async () => {
    for (const [hostile] of places()) {
      const chain = ['/hop/1', `http://127.0.0.2:${port}/hop/2`, 'http:hop/3', hostile]
      chain[2] = `//127.0.0.2:${port}/hop/3`
      expect([hostile, await follow(chain)]).toEqual([hostile, 'egress_denied'])
      expect([hostile, inside, paths.length]).toEqual([hostile, 0, 4])
    }
  })

  it.each([301, 302, 303, 307, 308])('with status %i is judged', async code => {
    status = code
    expect(await follow([`http://127.0.0.1:${port}/`])).toBe('egress_denied')
    expect(await follow(['/hop/1', '/done'])).toBe('the end')
    status = 302
  })

  it('in a circle, or of too many hops, ends', async () => {
    expect(await follow(['/hop/0'], 10)).toBe('upstream_bad_response')
    expect(paths).toHaveLength(11)
    expect(
      await follow(
        Array.from({ length: 12 }, (_, i) => `/hop/${i + 1}`),
        10,
      ),
    ).toBe('upstream_bad_response')
    expect(
      await follow(
        Array.from({ length: 10 }, (_, i) => `/hop/${i + 1}`),
        10,
      ),
    ).toBe('the end')
  })

  it('never carries a body to another place, even an allowed one', async () => {
    hops = [`http://127.2:${port}/done`]
    status = 307
    const sent = made.request('webhooks', `http://127.0.0.2:${port}/hop/0`, { method: 'POST', body: 'b', redirects: 3 })
    expect((await sent).status).toBe(200)
    hops = [`http://127.0.0.2:${port + 1}/done`]
    const elsewhere = made.request('webhooks', `http://127.0.0.2:${port}/hop/0`, {
      method: 'POST',
      body: 'b',
      redirects: 3,
    })
    await expect(elsewhere).rejects.toMatchObject({ code: 'egress_denied' })
    status = 302
  })

  it('that does not end within the time given ends with it', async () => {
    hops = ['/hop/0']
    const sent = made.request('image_fetch', `http://127.0.0.2:${port}/hop/0`, { redirects: 100_000, timeout: 200 })
    await expect(sent).rejects.toMatchObject({ code: 'upstream_timeout' })
  })
})
