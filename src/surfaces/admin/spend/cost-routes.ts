import { z } from 'zod'
import { type Cost, costOf } from '../../../pipeline/accounting/cost.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Usage } from '../../../translate/openai/types.ts'
import { countChatTokens } from '../../../translate/token-count.ts'
import { emptyUsage, type TokenUsage, tokenUsageOf } from '../../../translate/token-usage.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { idText } from './lists.ts'
import type { PricedModel, SpendServices } from './services.ts'

const count = z.int().min(0).max(1_000_000_000)
const groups = ['spend_tracking_routes', 'management_routes'] as const
const costNumber = z.number().nullable()

/** `/spend/calculate` and `/cost/estimate`: what a call would cost, by the prices calls are billed with. */
export function costRoutes({ priced, clock }: SpendServices): Route[] {
  const write = { tag: 'spend', method: 'POST', permission: 'self', groups, writes: false } as const
  return [
    apiRoute({
      ...write,
      paths: ['/spend/calculate'],
      summary: 'Cost of a prompt, or of an answer',
      body: z.object({
        model: idText.optional(),
        messages: z.array(z.unknown()).optional(),
        completion_response: z
          .looseObject({ model: idText.optional(), usage: z.looseObject({}).optional() })
          .optional(),
      }),
      response: z.object({ cost: z.number().describe('Dollars.') }),
      handle({ body }) {
        const { completion_response: answer } = body
        const model = body.model ?? answer?.model
        if (model === undefined || (body.messages === undefined && answer === undefined)) {
          throw new GatewayError('missing_field', "Give 'model' and 'messages', or 'completion_response'.", {
            param: model === undefined ? 'model' : 'messages',
          })
        }
        const usage =
          answer === undefined
            ? { ...emptyUsage(), input: countChatTokens({ messages: body.messages }) }
            : tokenUsageOf((answer.usage ?? {}) as unknown as Usage)
        return { cost: dollarsOf(costIn(usage, requirePriced(priced, model), model, clock.epoch())) }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/cost/estimate'],
      summary: 'Cost of so many tokens, per call, day and month',
      body: z.object({
        model: idText,
        input_tokens: count,
        output_tokens: count,
        cache_read_input_tokens: count.default(0),
        cache_creation_input_tokens: count.default(0),
        reasoning_tokens: count.default(0),
        num_requests_per_day: count.nullish(),
        num_requests_per_month: count.nullish(),
      }),
      response: z.record(z.string(), z.union([z.string(), costNumber])),
      handle({ body }) {
        const model = requirePriced(priced, body.model)
        const usage: TokenUsage = {
          ...emptyUsage(),
          input: body.input_tokens,
          cacheRead: body.cache_read_input_tokens,
          cacheWrite: body.cache_creation_input_tokens,
          output: body.output_tokens,
          reasoning: body.reasoning_tokens,
        }
        const cost = costIn(usage, model, body.model, clock.epoch())
        const { num_requests_per_day: daily, num_requests_per_month: monthly } = body
        return {
          ...body,
          num_requests_per_day: daily ?? null,
          num_requests_per_month: monthly ?? null,
          ...costFields(cost, 'cost_per_request', '_cost_per_request', '', 1),
          ...costFields(cost, 'daily_cost', '_cost', 'daily_', daily),
          ...costFields(cost, 'monthly_cost', '_cost', 'monthly_', monthly),
          ...rateFields(model),
          provider: model.provider,
        }
      },
    }),
  ]
}

/** The cache lines are shares of the input's cost, the reasoning line of the output's. */
function costFields(
  cost: Cost,
  total: string,
  suffix: string,
  prefix: string,
  times: number | null | undefined,
): Record<string, number | null> {
  const share = (...kinds: readonly string[]): number | null =>
    times
      ? (cost.lines.reduce((sum, line) => sum + (kinds.includes(line.kind) ? line.nano : 0), 0) * times) / 1e9
      : null
  return {
    [total]: times ? (cost.total * times) / 1e9 : null,
    [`${prefix}input${suffix}`]: share('input', 'cache_read', 'cache_write', 'cache_write_1h'),
    [`${prefix}output${suffix}`]: share('output', 'reasoning'),
    [`${prefix}margin${suffix}`]: times ? 0 : null,
    [`${prefix}cache_read${suffix}`]: share('cache_read'),
    [`${prefix}cache_creation${suffix}`]: share('cache_write', 'cache_write_1h'),
    [`${prefix}reasoning${suffix}`]: share('reasoning'),
  }
}

/** Dollars per token; rates are kept in pico-dollars. */
function rateFields({ price }: PricedModel): Record<string, number | null> {
  const rates = price?.bands[0]?.rates
  const rate = (pico: number | undefined): number | null =>
    pico === undefined || Number.isNaN(pico) ? null : pico / 1e12
  return {
    input_cost_per_token: rate(rates?.input),
    output_cost_per_token: rate(rates?.output),
    cache_read_input_token_cost: rate(rates?.cacheRead),
    cache_creation_input_token_cost: rate(rates?.cacheWrite),
    output_cost_per_reasoning_token: rate(rates?.reasoning),
  }
}

/** @throws GatewayError 404 */
function requirePriced(priced: SpendServices['priced'], model: string): PricedModel {
  const found = priced(model)
  if (found !== undefined) return found
  throw new GatewayError('model_not_found', `There is no model '${model.slice(0, 200)}' here.`, { param: 'model' })
}

/** @throws GatewayError 404 where no price is known: a missing price is no zero */
function costIn(usage: TokenUsage, { price }: PricedModel, model: string, epoch: number): Cost {
  const cost = costOf(usage, price, { epoch })
  if (cost.priced) return cost
  throw new GatewayError(
    'not_found',
    `No price is known for '${model.slice(0, 200)}'; set input_cost_per_token and output_cost_per_token of its deployment.`,
    { param: 'model' },
  )
}

const dollarsOf = (cost: Cost): number => cost.total / 1e9
