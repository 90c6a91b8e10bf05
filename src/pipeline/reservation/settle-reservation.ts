import type { Amounts } from '../../governance/limits/planned-limit.ts'
import type { TokenUsage } from '../../translate/token-usage.ts'
import type { Reservation } from './reservation.ts'

/** How a call ended, as far as limits care. */
export interface CallEnd {
  /** Code or failure kind; undefined for a success. */
  readonly error: string | undefined
  /** What the vendor says was used; undefined where it said nothing. */
  readonly usage: TokenUsage | undefined
  /** Nano-dollars, as the ledger will have it; negative or undefined: not known. */
  readonly cost: number | undefined
  /** Content reached the caller: the vendor worked for this call, whatever came after. */
  readonly answered: boolean
}

/**
 * Replaces what was reserved by what was used. A call that failed before anything came gets everything back; tokens that
 * were streamed are paid for. Where it is not known how much was used, the prompt counts.
 */
export function settleReservation(reservation: Reservation, end: CallEnd): void {
  const { error, usage, answered } = end
  if (error !== undefined && usage === undefined && !answered) {
    reservation.refund()
    return
  }
  reservation.settle(amountsOf(reservation, end))
}

function amountsOf({ estimate }: Reservation, { usage, cost }: CallEnd): Amounts {
  const spent = cost === undefined || cost < 0 ? 0 : Math.round(cost)
  if (usage === undefined) return { inputTokens: estimate.inputTokens, outputTokens: 0, cost: spent }
  return { inputTokens: usage.input, outputTokens: usage.output, cost: spent }
}
