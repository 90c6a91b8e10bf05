import { GatewayError } from '../../platform/errors/gateway-error.ts'

/** An artifact that is not loaded; what was loaded before stays. */
export const refused = (reason: string): GatewayError =>
  new GatewayError('config_invalid', `artifact refused: ${reason}`)
