/** LiteLLM's webhook event, field by field; amounts in US dollars. */
export interface AlertEvent {
  readonly event: 'budget_crossed' | 'max_budget_alert' | 'soft_budget_crossed' | 'threshold_crossed'
  readonly event_group:
    | 'key'
    | 'team'
    | 'user'
    | 'team_member'
    | 'organization'
    | 'project'
    | 'tag'
    | 'agent'
    | 'proxy'
    | 'end_user'
    | 'provider'
    | 'deployment'
  readonly event_message: string
  readonly spend: number
  readonly max_budget: number | null
  readonly soft_budget: number | null
  /** Hash of the key. */
  readonly token: string | null
  readonly customer_id: string | null
  readonly user_id: string | null
  readonly team_id: string | null
  readonly team_alias: string | null
  readonly organization_id: string | null
  readonly user_email: string | null
  readonly key_alias: string | null
  readonly projected_exceeded_date: string | null
  readonly projected_spend: number | null
}

/** Where alerts go. Never in a caller's way: `emit` returns at once and never throws. */
export interface Alerts {
  emit(event: AlertEvent): void
}

export const noAlerts: Alerts = { emit() {} }
