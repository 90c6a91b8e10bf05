import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Environment } from '../call.ts'
import { type FakeAnswer, type FakeRequest, type FakeServer, fakeServer } from '../fake-server.fixtures.ts'
import { servicesFor } from '../services.fixtures.ts'
import { conjurBackend } from './conjur.ts'

const token = JSON.stringify({ protected: 'p', payload: 'x', signature: 's' })
let conjur: FakeServer
let variables: Map<string, string>
let declared: Set<string>
let live: boolean
const ends: (() => Promise<void>)[] = []

/** https://docs.cyberark.com/conjur-open-source/latest/en/content/developer/lp_rest_api.htm */
function answer(request: FakeRequest): FakeAnswer {
  if (request.path === '/authn/acme/host%2Fgateway/authenticate') {
    live = true
    return request.body === 'conjur-api-key' ? { body: token } : { status: 401 }
  }
  const expected = `Token token="${Buffer.from(token).toString('base64')}"`
  if (!live || request.headers.authorization !== expected) return { status: 401 }
  if (request.path === '/policies/acme/policy/root') {
    declared.add(/!variable "(.+)"/.exec(request.body)?.[1] ?? '')
    return { status: 201 }
  }
  const name = decodeURIComponent(request.path.replace('/secrets/acme/variable/', ''))
  if (request.method === 'POST') {
    if (!declared.has(name)) return { status: 404 }
    variables.set(name, request.body)
    return { status: 201 }
  }
  const value = variables.get(name)
  return value === undefined ? { status: 404 } : { body: value }
}

beforeEach(async () => {
  variables = new Map([['team/OPENAI_API_KEY', 'v']])
  declared = new Set()
  live = false
  conjur = await fakeServer(answer)
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await conjur.close()
})

function backend(env: Environment = {}) {
  const services = servicesFor({
    CYBERARK_API_BASE: conjur.url,
    CYBERARK_ACCOUNT: 'acme',
    CYBERARK_USERNAME: 'host/gateway',
    CYBERARK_API_KEY: 'conjur-api-key',
    ...env,
  })
  ends.push(services.close)
  return conjurBackend(services)
}

it('reads with one login for all who ask', async () => {
  const found = backend()
  expect(await found.read('team/OPENAI_API_KEY')).toEqual({ text: 'v' })
  expect(await found.read('OTHER')).toBeUndefined()
  expect(conjur.requests.filter(({ path }) => path.endsWith('/authenticate'))).toHaveLength(1)
})

it('logs in again when its token has ended', async () => {
  const found = backend()
  await found.read('OTHER')
  live = false
  expect(await found.read('team/OPENAI_API_KEY')).toEqual({ text: 'v' })
})

it('declares a variable before it sets it', async () => {
  const found = backend()
  await found.write?.('litellm/a', 'sk-1')
  expect(await found.read('litellm/a')).toEqual({ text: 'sk-1' })
})

it('refuses to start without a credential, and tells a wrong one', async () => {
  expect(() => backend({ CYBERARK_API_KEY: '' })).toThrow(/CYBERARK_API_KEY/)
  await expect(backend({ CYBERARK_API_KEY: 'wrong' }).read('K')).rejects.toThrow(/login: .*401/)
})
