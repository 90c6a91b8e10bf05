import { randomUUID } from 'node:crypto'
import type { ChatRequest, EmbeddingRequest } from '../../translate/openai/types.ts'
import type {
  ChatExchange,
  EmbeddingExchange,
  ForwardedRequest,
  NativeRequest,
  Operation,
  Target,
  UpstreamRequest,
  Wire,
  WireId,
} from '../wire.ts'
import { type AnswerContext, decodeResponse } from './decode-response.ts'
import { OpenaiStreamDecoder } from './decode-stream.ts'
import { decodeEmbeddings } from './embeddings.ts'
import { failure } from './failure.ts'
import { cachedPlans, isPlanned, type Plan } from './plan.ts'
import { type Prepared, prepare } from './prepare-chat.ts'
import { maySignal, readBody, readEvent } from './read-signals.ts'

const operations: ReadonlySet<Operation> = new Set(['chat', 'completions', 'embeddings'])

/** A wire that speaks OpenAI's bodies; `makePlan` fixes where and under which credential they go. */
export function createOpenaiWire(id: WireId, makePlan: (target: Target) => Plan): Wire {
  const planOf = cachedPlans(makePlan)
  return {
    id,
    dialect: 'openai',
    operations,

    forward(operation: Operation, request: NativeRequest, target: Target): ForwardedRequest | undefined {
      if (!isPlanned(operation)) return undefined
      const plan = planOf(target)
      const { quirks } = plan
      if (operation === 'chat' && (quirks.normalizeAnswer === true || quirks.addReasoningTokens === true))
        return undefined
      const prepared = prepare(operation, request.json, request.text, plan)
      if (prepared.fakeStream || prepared.jsonTool) return undefined
      return {
        request: {
          method: 'POST',
          path: plan.paths[operation],
          headers: headersOf(plan, request.headers),
          body: prepared.edit.spliced(request.text),
        },
        droppedParams: prepared.edit.dropped,
        stripUsage: prepared.stripUsage,
      }
    },

    chat(request: ChatRequest, target: Target): ChatExchange {
      const plan = planOf(target)
      const prepared = prepare('chat', request, undefined, plan)
      const context = answerContext(plan, prepared)
      return {
        request: post(plan, 'chat', prepared),
        fakeStream: prepared.fakeStream,
        droppedParams: prepared.edit.dropped,
        decode: body => decodeResponse(body, context),
        stream: () => new OpenaiStreamDecoder(context),
      }
    },

    embeddings(request: EmbeddingRequest, target: Target): EmbeddingExchange {
      const plan = planOf(target)
      const prepared = prepare('embeddings', request, undefined, plan)
      return {
        request: post(plan, 'embeddings', prepared),
        droppedParams: prepared.edit.dropped,
        decode: body => decodeEmbeddings(body, plan.model),
      }
    },

    readBody,
    readEvent,
    maySignal,
    failure,
  }
}

function post(plan: Plan, operation: 'chat' | 'embeddings', prepared: Prepared): UpstreamRequest {
  return {
    method: 'POST',
    path: plan.paths[operation],
    headers: { ...plan.headers },
    body: prepared.edit.serialised(),
  }
}

/** The deployment's headers win over those the caller may pass on. */
function headersOf(plan: Plan, callers: Readonly<Record<string, string>>): Record<string, string> {
  for (const _ in callers) return { ...callers, ...plan.headers }
  return { ...plan.headers }
}

function answerContext(plan: Plan, { jsonTool }: Prepared): AnswerContext {
  return {
    seed: randomUUID().replaceAll('-', '').slice(0, 24),
    created: Math.floor(Date.now() / 1000),
    model: plan.model,
    addReasoningTokens: plan.quirks.addReasoningTokens === true,
    thinkTags: !plan.firstParty,
    jsonTool,
  }
}
