import type { NativeRequest } from '../../providers/wire.ts'

/** The tier the caller asked for; vendors price `flex` and `priority` differently. */
export function serviceTierOf(request: NativeRequest): string | undefined {
  const tier = request.json['service_tier']
  return typeof tier === 'string' ? tier : undefined
}
