import type { AttemptResult } from './attempt.ts'

/** How a call ended: with an answer still to be sent, with a stream already sent, or because the caller left. */
export type Outcome = Exclude<AttemptResult, { kind: 'failed' }>
