import type { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Target } from '../../providers/wire.ts'
import type { Deployment } from '../deployment.ts'

/**
 * After a vendor refused the credential of `used`: the deployment with another one, when the secret it comes from has
 * changed. Reading it again is coalesced and rate-limited, so that a key which is simply wrong costs little.
 */
export async function withRenewedCredential(
  deployment: Deployment,
  used: Target,
  failure: UpstreamFailure,
): Promise<Deployment | undefined> {
  const refused = used.bearerToken ?? used.apiKey
  if (deployment.credential === undefined || refused === undefined || !refusesCredential(failure)) return undefined
  const secret = await deployment.credential.renew(refused)
  if (secret === undefined) return undefined
  const { target } = deployment
  // The deployment follows its credential: mostly it has it already, with everything worked out of it.
  if ((target.bearerToken ?? target.apiKey) === secret) return deployment
  const own = used.bearerToken === undefined ? { apiKey: secret } : { bearerToken: secret }
  return { ...deployment, target: { ...target, ...own } }
}

/** Google's AI Studio says 400 where others say 401. */
const keyNotValid = /\bAPI key (?:not valid|expired|not found)/i

function refusesCredential({ status, code, kind, message }: UpstreamFailure): boolean {
  if (code === 'egress_denied') return false
  return status === 401 || status === 403 || (kind === 'bad_request' && keyNotValid.test(message))
}
