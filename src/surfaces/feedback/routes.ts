import { z } from 'zod'
import { captureShare } from '../../learning/decisions/captures.ts'
import type { Feedback, FeedbackResult } from '../../learning/feedback/feedback.ts'
import type { Scale } from '../../learning/feedback/reward.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { maxRequestIdLength } from '../../platform/ids.ts'
import { type ApiInput, apiRoute } from '../api-route.ts'
import type { Route } from '../route.ts'

const requestId = z.string().min(1).max(maxRequestIdLength)
const kind = z
  .string()
  .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, colons, hyphens or underscores')
const comment = z.string().max(4000)

const sent = z
  .object({
    request_id: requestId.optional().describe('`x-litellm-call-id` of the response.'),
    litellm_call_id: requestId.optional().describe('Same as request_id.'),
    trace_id: requestId.optional().describe('Same as request_id.'),
    score: z.number().min(-1).max(1).optional().describe('−1 (bad) to 1 (good); see scale.'),
    scale: z.enum(['-1..1', '0..1']).optional().describe('Default: −1..1, for `value` 0..1.'),
    value: z
      .union([z.number().min(-1).max(1), z.boolean()])
      .optional()
      .describe('Score as tracing tools name it.'),
    kind: kind.optional().describe('`user`, `check`, `judge`, `implicit`, … One kind counts once per call and key.'),
    name: kind.optional().describe('Same as kind.'),
    comment: comment.optional().describe('Kept only where text capture is on for the key or team.'),
  })
  .describe('What was the answer worth?')

/** RouteIQ names its model and user as well; ours are those of the call. */
const compatible = z.object({
  request_id: requestId,
  score: z.number().min(-1).max(1),
  user_id: z.string().max(255).optional(),
  model: z.string().max(255).optional(),
})

const answer = z.object({
  status: z.enum(['recorded', 'corrected', 'unchanged']).describe('`unchanged`: this was said before.'),
  reward: z.number().describe('0..1.'),
  weight: z.number().describe('How far this kind is trusted.'),
  learned: z.boolean().describe('A learned route decided the call, so it learns from this.'),
})

/** What callers say of the answers they got. */
export function feedbackRoutes(feedback: Feedback): Route[] {
  const give = async (
    { principal }: Pick<ApiInput<unknown, unknown, unknown>, 'principal'>,
    id: string,
    what: {
      readonly kind: string
      readonly score: number
      readonly scale: Scale
      readonly comment?: string | undefined
    },
  ) => {
    const result = await feedback.give(
      {
        token: principal.token,
        userId: principal.userId,
        admin: principal.admin,
        keepsText: captureShare(principal.metadata) > 0,
      },
      { requestId: id, kind: what.kind, score: what.score, scale: what.scale, comment: what.comment },
    )
    return shown(result)
  }
  return [
    apiRoute({
      method: 'POST',
      paths: ['/v1/routeiq/feedback', '/v1/feedback'],
      permission: 'llm',
      tag: 'feedback',
      summary: 'Say what an answer was worth',
      description:
        'For calls of the same key or user; administrators for all. May come days later and more than once: the same call, kind and key count once, and a new score corrects the old one.',
      body: sent,
      response: answer,
      handle: ({ body, principal }) => {
        const id = body.request_id ?? body.litellm_call_id ?? body.trace_id
        if (id === undefined) throw missing('request_id')
        const { score, scale } = scoreOf(body)
        return give({ principal }, id, { kind: body.kind ?? body.name ?? 'user', score, scale, comment: body.comment })
      },
    }),
    apiRoute({
      method: 'POST',
      paths: ['/api/v1/routeiq/routing/feedback'],
      permission: 'llm',
      tag: 'feedback',
      summary: 'Say what an answer was worth (RouteIQ’s path)',
      description: 'Needs request_id: user_id and model are those of the call, whatever is sent.',
      body: compatible,
      response: answer,
      handle: ({ body, principal }) =>
        give({ principal }, body.request_id, { kind: 'user', score: body.score, scale: '-1..1' }),
    }),
  ]
}

function scoreOf(body: z.output<typeof sent>): { readonly score: number; readonly scale: Scale } {
  if (body.score !== undefined) return checked(body.score, body.scale ?? '-1..1')
  if (typeof body.value === 'boolean') return { score: Number(body.value), scale: '0..1' }
  if (body.value !== undefined) return checked(body.value, body.scale ?? '0..1')
  throw missing('score')
}

function checked(score: number, scale: Scale): { readonly score: number; readonly scale: Scale } {
  if (scale === '-1..1' || score >= 0) return { score, scale }
  throw new GatewayError('invalid_request', 'A score below 0 needs "scale": "-1..1".', { param: 'scale' })
}

const missing = (param: string): GatewayError => new GatewayError('missing_field', `'${param}' is required.`, { param })

const shown = ({ status, reward, weight, learned }: FeedbackResult) => ({ status, reward, weight, learned })
