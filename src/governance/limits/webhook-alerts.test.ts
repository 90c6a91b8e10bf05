import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { EgressDoors } from '../../platform/security/egress-doors.ts'
import { egressConfiguration } from '../../platform/security/egress-policies.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import type { AlertEvent } from './alerts.ts'
import { WebhookAlerts } from './webhook-alerts.ts'

let server: Server
let url: string
let received: AlertEvent[] = []
let statuses: number[] = []
let lines: string[] = []
let doors: EgressDoors

beforeEach(async () => {
  received = []
  statuses = []
  lines = []
  server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => (body += chunk))
    request.on('end', () => {
      received.push(JSON.parse(body) as AlertEvent)
      response.writeHead(statuses.shift() ?? 204).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  url = `http://127.0.0.1:${port}/hook`
  const webhooks = { allow_cidrs: ['127.0.0.0/8'], ports: [port] }
  doors = new EgressDoors(egressConfiguration({ webhooks }))
})
afterEach(async () => {
  await doors.destroy()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

const event = (event_message: string): AlertEvent => ({
  event: 'threshold_crossed',
  event_group: 'key',
  event_message,
  spend: 0.9,
  max_budget: 1,
  soft_budget: null,
  token: 'hash',
  customer_id: null,
  user_id: null,
  team_id: null,
  team_alias: null,
  organization_id: null,
  user_email: null,
  key_alias: null,
  projected_exceeded_date: null,
  projected_spend: null,
})

const alerts = (to = url) =>
  new WebhookAlerts({
    outbound: doors,
    url: to,
    log: createLogger({ stream: { write: line => void lines.push(line) } }),
    retryAfter: 1,
  })

it('posts events in order, again where the receiver is in trouble', async () => {
  const own = alerts()
  statuses = [503, 429, 200, 400, 200]
  for (const message of ['first', 'refused', 'third']) own.emit(event(message))
  await own.flush()
  expect(received.map(({ event_message }) => event_message)).toEqual(['first', 'first', 'first', 'refused', 'third'])
  expect(received[0]).toEqual(event('first'))
  expect(lines.filter(line => line.includes('could not be sent'))).toHaveLength(1)
})

it('gives up on a receiver that is not there or not allowed, and says so without the URL’s path', async () => {
  const own = alerts('http://10.0.0.1/secret-path')
  own.emit(event('lost'))
  await own.flush()
  expect(lines.join()).toContain('could not be sent')
  expect(lines.join()).not.toContain('secret-path')
})

it('keeps a bounded number waiting', async () => {
  const own = alerts()
  for (let i = 0; i < 1500; i++) own.emit(event(String(i)))
  await own.flush()
  expect(received.length).toBeLessThanOrEqual(1001)
  expect(lines.filter(line => line.includes('dropped')).length).toBeGreaterThanOrEqual(499)
})
