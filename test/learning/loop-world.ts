import type { KeyObject } from 'node:crypto'
import { signArtifact } from '../../src/learning/artifact/artifact.ts'
import { train } from '../../src/learning/training/train.ts'
import { eventually } from '../control/setup.ts'
import { api, done } from '../governance/setup.ts'
import type { Gateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer } from '../harness/http.ts'
import type { Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { skilledData } from './artifacts.ts'
import { modelList } from './routing-world.ts'

/** Everybody's favourite is `large`, or `small`: which artifact decided is told from who answers. */
export const likesLarge = [
  [0.1, 0.2, 0.95],
  [0.1, 0.2, 0.95],
  [0.1, 0.2, 0.95],
] as const
export const likesSmall = [
  [0.95, 0.2, 0.1],
  [0.95, 0.2, 0.1],
  [0.95, 0.2, 0.1],
] as const

const trained = new Map<string, Promise<Uint8Array>>()

/** @param day of its training: later ones are newer */
export function artifactOf(
  skills: readonly (readonly number[])[],
  { day = 1, key }: { readonly day?: number; readonly key?: KeyObject } = {},
): Promise<Uint8Array> {
  const name = JSON.stringify([skills, day])
  let artifact = trained.get(name)
  if (artifact === undefined) {
    artifact = train(skilledData(90, skills), {
      name: 'loop',
      methods: ['average'],
      folds: 2,
      components: 8,
      threads: 0,
      now: () => 1_700_000_000_000 + day * 86_400_000,
    }).then(result => result.artifact)
    trained.set(name, artifact)
  }
  return key === undefined ? artifact : artifact.then(bytes => signArtifact(bytes, key))
}

/**
 * Three models behind `mixed`, decided by quality alone, so that feedback and artifacts show at once. Drift is watched
 * only where a test asks: one sentence said a thousand times is drift, and stops a rollout.
 */
export function loopConfig(upstream: Upstream, loop: Json = {}, routing: Json = {}, args: Json = {}): Json {
  return {
    model_list: modelList(upstream),
    router_settings: {
      routing_strategy: 'routeiq-auto',
      routing_strategy_args: { preset: 'quality', sticky_sessions: false, ...args },
    },
    routeiq: {
      routing,
      router_loop: {
        ...loop,
        rollout: { check_seconds: 0.3, ...((loop['rollout'] as Json | undefined) ?? {}) },
        drift: {
          enabled: loop['drift'] !== undefined,
          check_seconds: 0.5,
          ...((loop['drift'] as Json | undefined) ?? {}),
        },
      },
    },
  }
}

export const upload = (gateway: Gateway, bytes: Uint8Array, fields: Json = {}): Promise<StreamAnswer> =>
  api(gateway, 'POST', '/v1/routeiq/router/artifacts', { artifact: Buffer.from(bytes).toString('base64'), ...fields })

/** Uploads and activates. @returns the id */
export async function putIntoForce(gateway: Gateway, bytes: Uint8Array, router = 'default'): Promise<string> {
  const answer = await upload(gateway, bytes, { router })
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`)
  const id = String(answer.json?.['id'])
  await done(gateway, 'POST', `/v1/routeiq/router/routers/${router}/activate`, { artifact: id })
  return id
}

export async function stateOfRouter(gateway: Gateway, router = 'default'): Promise<Json> {
  return done(gateway, 'GET', `/v1/routeiq/router/routers/${router}`)
}

export const stage = async (gateway: Gateway, wanted: string, router = 'default', timeout = 15_000): Promise<Json> =>
  eventually(async () => {
    const state = await stateOfRouter(gateway, router)
    return state['stage'] === wanted ? state : undefined
  }, timeout)

/** A call to the learned group, by a session of its own. */
export function askIn(
  gateway: Gateway,
  session: string,
  options: { readonly key?: string; readonly text?: string } = {},
): Promise<StreamAnswer> {
  const who = { url: gateway.url, key: options.key ?? gateway.key }
  return chat(who, 'mixed', options.text ?? 'Calculate the sum of these numbers', { litellm_session_id: session })
}

export const callId = (answer: StreamAnswer): string => String(answer.headers['x-litellm-call-id'])
