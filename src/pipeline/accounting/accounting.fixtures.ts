import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { emptyUsage, type TokenUsage } from '../../translate/token-usage.ts'
import { Call, type Hop } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Door } from '../door.ts'
import { administrator } from '../identity/master-key.ts'
import { noOverrides } from '../routing/learned/overrides.ts'
import type { Snapshot } from '../snapshot.ts'

const refuse = (): never => {
  throw new Error('accounting must not translate')
}

const door: Door = {
  dialect: 'openai',
  operation: 'chat',
  route: '/v1/chat/completions',
  idHeader: 'x-request-id',
  validate: refuse,
  chatRequest: refuse,
  chatResponse: refuse,
  streamEncoder: refuse,
  errorBody: refuse,
  errorEvent: refuse,
}

/** A finished call, as settling and explaining find it. */
export function finishedCall(id: string, changes: Partial<Call> = {}, body: Record<string, unknown> = {}): Call {
  const call = new Call({
    id,
    recordId: id,
    attribution: { endUser: undefined, sessionId: undefined, agentId: undefined, tags: [], metadata: undefined },
    address: '127.0.0.1',
    snapshot: { version: 7, label: '7-abc' } as Snapshot,
    door,
    identity: { ...administrator('master_key', 'owner'), keyHash: 'owner' },
    request: { json: body, text: '{}', headers: {} },
    model: 'group',
    stream: false,
    routing: noOverrides,
    options: {
      timeout: undefined,
      streamTimeout: undefined,
      numRetries: undefined,
      fallbacks: undefined,
      disableFallbacks: false,
    },
    response: Object.assign(new EventEmitter(), { destroyed: false }) as unknown as ServerResponse,
    startedAt: 1000,
    epoch: 1_700_000_000_000,
  })
  return Object.assign(call, { status: 200, modelName: 'group' }, changes)
}

export function hop(deployment: Deployment, changes: Partial<Hop> = {}): Hop {
  return {
    group: deployment.group,
    deployment: deployment.id,
    provider: deployment.target.vendor.id,
    model: deployment.target.model,
    startedAt: 1,
    duration: 50,
    status: 200,
    error: undefined,
    message: undefined,
    delay: 0,
    ...changes,
  }
}

export const tokens = (input: number, output: number): TokenUsage => ({ ...emptyUsage(), input, output })
