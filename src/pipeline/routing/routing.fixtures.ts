import type { Clock } from '../../platform/clock.ts'
import type { ModelPrice } from '../../providers/model-price.ts'
import type { Capabilities, Target, Vendor, Wire } from '../../providers/wire.ts'
import type { Deployment } from '../deployment.ts'
import type { CallFeatures, Candidate, LiveView } from './types.ts'

/** Time that moves only when told to. */
export class ManualClock implements Clock {
  time = 1_000_000
  now(): number {
    return this.time
  }
  epoch(): number {
    return 1_700_000_000_000 + this.time
  }
  advance(milliseconds: number): void {
    this.time += milliseconds
  }
}

/** mulberry32: small, seeded, good enough for dice. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const vendor: Vendor = {
  id: 'openai',
  name: 'OpenAI',
  wire: 'openai',
  baseUrl: 'https://upstream.test',
  baseUrlEnv: [],
  apiKeyEnv: [],
  auth: 'none',
  operations: ['chat'],
}

const refuse = (): never => {
  throw new Error('routing must not call a wire')
}

const wire: Wire = {
  id: 'openai',
  dialect: 'openai',
  operations: new Set(['chat']),
  forward: refuse,
  chat: refuse,
  readBody: refuse,
  readEvent: refuse,
  maySignal: refuse,
  failure: refuse,
}

export interface DeploymentOptions extends Partial<Omit<Deployment, 'target' | 'wire'>> {
  readonly model?: string
  readonly capabilities?: Capabilities
}

export function deployment(id: string, options: DeploymentOptions = {}): Deployment {
  const { model, capabilities, ...rest } = options
  const target: Target = {
    vendor,
    model: model ?? 'model',
    origin: 'https://upstream.test',
    basePath: '/v1',
    apiKey: undefined,
    bearerToken: undefined,
    apiVersion: undefined,
    organization: undefined,
    extraHeaders: {},
    defaults: {},
    capabilities: capabilities ?? {},
    baseModel: undefined,
    dropParams: false,
    additionalDropParams: [],
    allowedOpenaiParams: [],
    modifyParams: false,
  }
  return {
    id,
    group: 'group',
    wire,
    target,
    price: undefined,
    weight: undefined,
    rpm: undefined,
    tpm: undefined,
    order: undefined,
    maxParallelRequests: undefined,
    timeout: 600_000,
    streamTimeout: undefined,
    ttftTimeout: undefined,
    streamIdleTimeout: undefined,
    numRetries: undefined,
    cooldown: undefined,
    allowedFails: undefined,
    ...rest,
  }
}

export function price(input: number | undefined, output?: number, cacheRead?: number): ModelPrice {
  const rates = {
    input: input ?? Number.NaN,
    output: output ?? Number.NaN,
    cacheRead: cacheRead ?? input ?? Number.NaN,
    cacheWrite: Number.NaN,
    cacheWrite1h: Number.NaN,
    reasoning: Number.NaN,
    inputAudio: Number.NaN,
    outputAudio: Number.NaN,
    inputImage: Number.NaN,
    outputImage: Number.NaN,
  }
  return { input, output, bands: [{ above: -1, rates }] }
}

export function candidate(subject: Deployment, live: Partial<LiveView> = {}): Candidate {
  return {
    deployment: subject,
    live: { inFlight: 0, latency: undefined, ttft: undefined, tpm: 0, rpm: 0, ...live },
  }
}

export function features(options: Partial<CallFeatures> = {}): CallFeatures {
  return {
    stream: false,
    promptTokensMin: 10,
    promptTokensMax: 20,
    countPromptTokens: () => 15,
    maxOutputTokens: undefined,
    needs: { tools: false, vision: false, jsonSchema: false, audio: false },
    prefixHash: undefined,
    ...options,
  }
}
