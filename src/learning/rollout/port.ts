import type { LinearArm } from '../bandits/linucb.ts'
import type { RoutingDecision } from '../decision.ts'
import type { TrainedRouter } from '../predictor.ts'

/**
 * What the road of a call may ask of the loop, and what it tells it. Everything here answers from memory, at once, and
 * never throws: a store that is away costs what is learned meanwhile, not a call.
 *
 * `router` is the name under which artifacts are kept and rolled out (`routing_strategy_args.router`, default `default`);
 * several routes may share one.
 */
export interface LearnedRouting {
  /**
   * Which artifact and strategy decide this call. Undefined: nothing was ever activated under that name; what is
   * configured decides.
   * @param stickyKey session, else end user, else caller's key: one key stays in its arm
   */
  assign(router: string, stickyKey: string): Assignment | undefined
  /** What feedback has taught about a cell of an artifact; undefined: too little to move a decision. */
  posterior(artifact: string, cluster: number, model: string): CellPosterior | undefined
  /** LinUCB's arm of a model; undefined: none is kept, or nobody has said anything of it. */
  arm(artifact: string, model: string): LinearArm | undefined
  /** How much more than configured to explore now: 1, or more after drift. */
  exploration(router: string): number
  /**
   * Asked once for every decision: whether it will be kept. Of many calls in a second not all are; what is not kept needs
   * no features, which cost more to write down than the rest.
   */
  keeps(): boolean
  /** A call was decided, and its decision is one to keep: until the call is settled. */
  decided(decision: RoutingDecision, call: DecidedCall): void
  /** The decided call is over. Unknown ids (never decided, or long ago) are ignored. */
  settled(recordId: string, outcome: CallOutcome): void
  /** Share of this caller's calls whose text may be kept, 0..1: read from the metadata of key and team. */
  captureShare(metadata: Readonly<Record<string, unknown>>): number
  /**
   * Offers the text of a decided call; kept, redacted and cut, only where the share above and the sample say so. Call it
   * before `settled`, and not at all where the share is 0.
   */
  captured(recordId: string, share: number, text: CapturedText): void
}

/** For gateways without a loop, and for tests. */
export const noLoop: LearnedRouting = {
  assign: () => undefined,
  posterior: () => undefined,
  arm: () => undefined,
  exploration: () => 1,
  keeps: () => false,
  decided: () => {},
  settled: () => {},
  captureShare: () => 0,
  captured: () => {},
}

export interface Assignment {
  /** Decides. Undefined: an arm of an experiment that compares strategies, or a router whose artifact cannot be read here. */
  readonly artifact: TrainedRouter | undefined
  /** An experiment's arm may decide by another strategy (`llmrouter-knn`, `simple-shuffle`, …). */
  readonly strategy: string | undefined
  /** Predicts beside it, for the record; never decides. */
  readonly shadow: TrainedRouter | undefined
  /** To be put into the decision. `arm` is `control` or `candidate` in a rollout, else the experiment's own name. */
  readonly assignment: { readonly experiment: string; readonly arm: string } | undefined
  /** `canary`: the candidate of a rollout decides; `experiment`: an arm; undefined: the active artifact. */
  readonly reason: 'canary' | 'experiment' | undefined
}

/** Feedback of one cell, discounted. Means: (n0·prediction + reward) / (n0 + weight), see `bandits/posterior.ts`. */
export interface CellPosterior {
  /** Sum of weights of the events, after discounting. */
  readonly weight: number
  /** Weighted sum of rewards, 0..weight. */
  readonly reward: number
  /** Events ever seen: at least the minimum that lets a cell move a decision. */
  readonly events: number
}

/** Who asked, and for what. Ids and hashes only. */
export interface DecidedCall {
  /** Id in the books; ours, unique. */
  readonly recordId: string
  /** What the caller saw as `x-litellm-call-id` and will send with feedback. */
  readonly callId: string
  /** Epoch ms. */
  readonly at: number
  readonly router: string
  /** The model name that was asked for. */
  readonly route: string
  /** SHA-256 of the key, hex. */
  readonly token: string
  readonly userId: string | undefined
  readonly teamId: string | undefined
  /** Hash of the sticky key: so that a session can be held together without naming it. */
  readonly session: string | undefined
}

/** Checks that cost nothing, made of the answer on its way out. True: passed. Absent: not made. */
export interface AnswerChecks {
  readonly notTruncated?: boolean
  readonly notRefusal?: boolean
  readonly notEmpty?: boolean
  readonly jsonValid?: boolean
  readonly toolCallsValid?: boolean
}

export interface CallOutcome {
  /** HTTP status the caller got; 499: it left. */
  readonly status: number
  readonly error: string | undefined
  /** Model (data name) that answered in the end; another than chosen after a fallback. Undefined: none did. */
  readonly answeredBy: string | undefined
  readonly inputTokens: number
  readonly outputTokens: number
  /** Nano-dollars; undefined: no price is known. */
  readonly cost: number | undefined
  /** Milliseconds of the whole call. */
  readonly duration: number
  readonly ttft: number | undefined
  readonly finish: string | undefined
  readonly checks: AnswerChecks
}

export interface CapturedText {
  readonly prompt: string
  readonly system: string
  readonly response: string | undefined
}
