import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect, it } from 'vitest'

import { type ConnectorOptions, egressConnector } from './egress-connector.ts'
import { type DenialKind, destinationOf, EgressPolicy } from './egress-policy.ts'

const closed = new EgressPolicy()
const open = new EgressPolicy({ allowHosts: [], allowCidrs: ['127.0.0.0/8'] })

function connect(url: string, options: Partial<ConnectorOptions>): Promise<Error | string> {
  const parsed = new URL(url)
  const destination = destinationOf(parsed)
  const connector = egressConnector(destination, {
    resolver: async () => [{ address: '127.0.0.1', family: 4 }],
    policy: () => closed,
    denied: () => undefined,
    connectTimeout: 5000,
    tls: {},
    ...options,
  })
  return new Promise(resolve => {
    const target = { hostname: parsed.hostname, host: parsed.host, protocol: parsed.protocol, port: parsed.port }
    connector(target, (error, socket) => {
      socket?.destroy()
      resolve(error ?? `connected to ${socket?.remoteAddress ?? 'nothing'}`)
    })
  })
}

it('judges a literal address for every socket, although Node resolves nothing for it', async () => {
  let connections = 0
  const server = createServer(socket => {
    connections++
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const denied: [string, DenialKind][] = []
  const url = `http://127.0.0.1:${port}`
  const options = { denied: ({ host }: { host: string }, kind: DenialKind) => denied.push([host, kind]) }

  expect(await connect(url, options)).toMatchObject({ code: 'egress_denied' })
  expect(denied).toEqual([['127.0.0.1', 'loopback']])
  expect(connections).toBe(0)
  expect(await connect(url, { ...options, policy: () => open })).not.toBeInstanceOf(Error)
  server.close()
})

it('shows the server the name of the URL while it connects to the checked address', async () => {
  const names: string[] = []
  const server = createTlsServer({
    SNICallback: (name, done) => {
      names.push(name)
      done(new Error('no certificate here'))
    },
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  expect(await connect(`https://models.example:${port}`, {})).toMatchObject({ code: 'egress_denied' })
  expect(names).toEqual([])
  expect(await connect(`https://models.example:${port}`, { policy: () => open })).toBeInstanceOf(Error)
  expect(names).toEqual(['models.example'])
  server.close()
})

it('gives up on a resolver that never answers', async () => {
  const error = await connect('http://models.example', {
    resolver: () => new Promise(() => undefined),
    connectTimeout: 50,
  })
  expect(error).toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' })
})
