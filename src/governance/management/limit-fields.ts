import { z } from 'zod'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { limitProblems } from '../limits/rules.ts'

export const texts = z.array(z.string().max(500)).max(1000)
export const record = z.record(z.string(), z.unknown())

/** Clients of LiteLLM send numbers as text now and then (`"max_budget": "0"`), which it takes. */
const number = (text: unknown): unknown =>
  typeof text === 'string' && /^\s*\d{1,15}(\.\d{1,12})?\s*$/.test(text) ? Number(text) : text

export const count = z.preprocess(number, z.number().int().min(0)).meta({ type: 'integer', minimum: 0 })
export const dollars = z.preprocess(number, z.number().min(0)).meta({ type: 'number', minimum: 0 })
export const idText = z.string().min(1).max(255)

/** Limits and budgets any object may have, under LiteLLM's names; `null` clears on update. */
export const limitFields = {
  max_budget: dollars.nullish(),
  soft_budget: dollars.nullish(),
  budget_duration: z.string().max(20).nullish(),
  budget_limits: z.array(record).max(10).nullish(),
  limits: z.array(record).max(50).nullish(),
  tpm_limit: count.nullish(),
  rpm_limit: count.nullish(),
  itpm_limit: count.nullish(),
  otpm_limit: count.nullish(),
  max_parallel_requests: count.nullish(),
  model_rpm_limit: z.record(z.string(), count).nullish(),
  model_tpm_limit: z.record(z.string(), count).nullish(),
  model_max_budget: record.nullish(),
} as const

/** @throws GatewayError that names the field at fault */
export function checkLimits(request: object): void {
  const problems = limitProblems(request as Readonly<Record<string, unknown>>)
  const [problem] = problems
  if (problem !== undefined) {
    throw new GatewayError('invalid_request', problems.join(' '), { param: /^'?([\w.]+)/.exec(problem)?.[1] })
  }
}

/** What was sent: neither absent nor null. */
export const given = <T extends object>(request: T): Partial<T> =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined && value !== null)) as Partial<T>
