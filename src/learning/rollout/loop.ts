import type { RoutingDecision } from '../decision.ts'
import { type Captures, captureShare } from '../decisions/captures.ts'
import type { DecisionRecorder } from '../decisions/recorder.ts'
import type { RouterDirectory } from '../registry/directory.ts'
import type { CallOutcome, CapturedText, DecidedCall, LearnedRouting } from './port.ts'

/** The loop as calls meet it: reads of memory, and two bounded queues. */
export class Loop implements LearnedRouting {
  readonly #directory: RouterDirectory
  readonly #recorder: DecisionRecorder
  readonly #captures: Captures
  /** Whether decisions and texts are kept; assignments and feedback go on without. */
  records = true

  constructor(directory: RouterDirectory, recorder: DecisionRecorder, captures: Captures) {
    this.#directory = directory
    this.#recorder = recorder
    this.#captures = captures
  }

  assign(router: string, stickyKey: string) {
    return this.#directory.assign(router, stickyKey)
  }

  posterior(artifact: string, cluster: number, model: string) {
    return this.#directory.posterior(artifact, cluster, model)
  }

  arm(artifact: string, model: string) {
    return this.#directory.arm(artifact, model)
  }

  exploration(router: string): number {
    return this.#directory.exploration(router)
  }

  keeps(): boolean {
    return this.records && this.#recorder.admits()
  }

  decided(decision: RoutingDecision, call: DecidedCall): void {
    if (this.records) this.#recorder.decided(decision, call)
  }

  settled(recordId: string, outcome: CallOutcome): void {
    this.#recorder.settled(recordId, outcome)
  }

  captureShare(metadata: Readonly<Record<string, unknown>>): number {
    return this.records ? captureShare(metadata) : 0
  }

  captured(recordId: string, share: number, text: CapturedText): void {
    const call = this.#recorder.callOf(recordId)
    if (call !== undefined) this.#captures.offer(call, share, text)
  }
}
