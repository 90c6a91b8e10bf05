import { GatewayError } from '../../platform/errors/gateway-error.ts'

/** The token proves nothing here. The reason is for people; it never repeats what the token says. */
export const tokenRejected = (reason: string, cause?: unknown): GatewayError =>
  new GatewayError('invalid_api_key', `This token is not valid here: ${reason}.`, { cause })

export const tokenExpired = (): GatewayError =>
  new GatewayError('expired_key', 'This token has expired; get a new one from your identity provider.')

/** Who it is is known, and it may not come in. */
export const notAdmitted = (reason: string): GatewayError => new GatewayError('permission_denied', reason)

/** An outage of the identity provider is not a bad token: callers must not be told to throw theirs away. */
export const identityUnavailable = (what: string, cause?: unknown): GatewayError =>
  new GatewayError('identity_unavailable', `${what} cannot be reached at the moment; try again shortly.`, {
    retryAfter: 2,
    cause,
  })

/** A setting that cannot work, found when the configuration is compiled. */
export const settingInvalid = (message: string): GatewayError => new GatewayError('config_invalid', message)
