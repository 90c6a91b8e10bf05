import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { isRecord } from '../objects/settings.ts'

/** Fields of `metadata` by which an operator lets a key or team do more; whoever owns the key may not write them. */
const switches = [
  'allow_caller_switches',
  'allow_client_tags',
  'allow_client_mock_response',
  'allow_client_message_redaction_opt_out',
  'disable_global_guardrails',
  'priority',
] as const

/**
 * For callers who are no administrators: such a switch may be left as it is, or taken away.
 * @throws GatewayError 403
 */
export function refuseOperatorMetadata(sent: unknown, before: unknown): void {
  if (!isRecord(sent)) return
  for (const name of switches) {
    const value = sent[name]
    if (value === undefined || value === null || value === false) continue
    if (isRecord(before) && JSON.stringify(before[name]) === JSON.stringify(value)) continue
    const param = `metadata.${name}`
    throw new GatewayError('permission_denied', `Only administrators may set '${param}'.`, { param })
  }
}
