import { z } from 'zod'
import { key, section } from './section.ts'
import { anyMap, count, name } from './values.ts'

const retries = (kind: string) => key(count, `Retries after ${kind}.`)

export const retryPolicy = section({
  BadRequestErrorRetries: retries('a bad request (400)'),
  AuthenticationErrorRetries: retries('a refused credential (401)'),
  TimeoutErrorRetries: retries('a timeout'),
  RateLimitErrorRetries: retries('a rate limit (429)'),
  ContentPolicyViolationErrorRetries: retries('a content-policy refusal'),
  InternalServerErrorRetries: retries('a server error (500)'),
  ServiceUnavailableErrorRetries: retries('an unavailable service (503)'),
  NotFoundErrorRetries: retries('a missing model (404)'),
  DefaultRetries: retries('any other failure'),
})

const fails = (kind: string) => key(count, `Tolerated per minute: ${kind}.`)

export const allowedFailsPolicy = section({
  BadRequestErrorAllowedFails: fails('bad requests (400)'),
  AuthenticationErrorAllowedFails: fails('refused credentials (401)'),
  TimeoutErrorAllowedFails: fails('timeouts'),
  RateLimitErrorAllowedFails: fails('rate limits (429)'),
  ContentPolicyViolationErrorAllowedFails: fails('content-policy refusals'),
  InternalServerErrorAllowedFails: fails('server errors (500)'),
  ServiceUnavailableErrorAllowedFails: fails('unavailable service (503)'),
  BadGatewayErrorAllowedFails: fails('bad gateway (502)'),
  NotFoundErrorAllowedFails: fails('missing model (404)'),
})

/** A fallback is a group name, a deployment id, or a map with `model` and request fields to override. */
export const fallbackTarget = z.union([name, anyMap])

/** `[{group: [target, …]}, …]`, as LiteLLM writes it. */
export const fallbackList = z.array(z.record(z.string(), z.array(fallbackTarget)))

export type RetryPolicySettings = z.output<typeof retryPolicy>
export type AllowedFailsPolicySettings = z.output<typeof allowedFailsPolicy>
export type FallbackTarget = z.output<typeof fallbackTarget>
export type FallbackList = z.output<typeof fallbackList>
