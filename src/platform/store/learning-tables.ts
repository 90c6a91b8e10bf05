/**
 * Tables of learned routing. The conventions of `tables.ts` hold; there are no fractions in a column, so shares and
 * rewards are integer millionths (`micro`). No column but those of `router_captures` and `router_feedback.comment` ever
 * holds words of a caller.
 */
export interface LearningTables {
  router_decisions: RouterDecisionRow
  router_captures: RouterCaptureRow
  router_feedback: RouterFeedbackRow
  router_cells: RouterCellRow
  router_arms: RouterArmRow
  router_artifacts: RouterArtifactRow
  router_artifact_parts: RouterArtifactPartRow
  router_states: RouterStateRow
  router_transitions: RouterTransitionRow
  router_runs: RouterRunRow
  router_experiments: RouterExperimentRow
  router_monitors: RouterMonitorRow
}

/** One decision with what came of it, written once, when its call was settled. */
export interface RouterDecisionRow {
  /** The call's id in the ledger. */
  id: string
  /** The id the caller saw where it is another one. */
  call_id: string | null
  at: number
  /** When it was written: readers that follow the table go by it. */
  recorded_at: number
  router: string
  route: string
  /** SHA-256 of the caller's key. */
  token: string
  user_id: string | null
  team_id: string | null
  strategy: string
  reason: string
  artifact: string | null
  chosen: string
  cluster: number
  explored: number
  /** Of the chosen model, millionths. */
  propensity: number
  /** Predicted quality of the chosen model, millionths. */
  predicted: number
  /** 0..1000000: how like the training data. */
  familiarity: number
  experiment: string | null
  arm: string | null
  status: number
  /** 1: the caller got an error that was not its own. */
  failed: number
  answered_by: string | null
  input_tokens: number
  output_tokens: number
  /** Nano-dollars; null: no price is known. */
  cost: number | null
  duration_ms: number
  /** Mean of checks that were made, millionths; null: none was. */
  checked: number | null
  /** Mean of feedback, millionths; null: none yet. */
  reward: number | null
  /** JSON: candidates, λ, features, shadow, checks, timing. */
  details: string
}

/** Text of a call, where key or team switched its capture on. */
export interface RouterCaptureRow {
  /** Of the decision. */
  id: string
  at: number
  token: string
  team_id: string | null
  prompt: string
  system: string
  response: string | null
  expires_at: number
}

export interface RouterFeedbackRow {
  /** As the caller named the call. */
  request_id: string
  kind: string
  /** SHA-256 of the key it came with. */
  caller: string
  /** Of the call in the ledger. */
  decision_id: string
  /** 1: the call was decided by a learned route. */
  decided: number
  /** 0..1000000. */
  reward: number
  /** Weight of this kind, millionths. */
  weight: number
  comment: string | null
  at: number
  updated_at: number
}

/** What feedback says about one model in one cluster of one artifact. */
export interface RouterCellRow {
  artifact: string
  cluster: number
  model: string
  events: number
  /** Discounted sum of weights, millionths. */
  weight: number
  /** Discounted weighted sum of rewards, millionths. */
  reward: number
  updated_at: number
}

/** A linear bandit's arm: one model of one artifact. */
export interface RouterArmRow {
  artifact: string
  model: string
  /** base64 of float32: inverse matrix, then vector. */
  state: string
  events: number
  updated_at: number
}

export interface RouterArtifactRow {
  /** SHA-256 of the bytes. */
  id: string
  router: string
  created_at: number
  created_by: string | null
  /** Of the training, epoch ms. */
  trained_at: number
  bytes: number
  parts: number
  signed: number
  dataset_hash: string
  /** The pipeline run that made it; null: uploaded. */
  run_id: string | null
  /** JSON: name, models, methods, mean cost, report, note. */
  details: string
}

export interface RouterArtifactPartRow {
  artifact: string
  part: number
  /** base64. */
  content: string
}

/** What a router decides by now: the state machine of `learning/rollout`. */
export interface RouterStateRow {
  router: string
  /** JSON. */
  state: string
  /** Grows with every change: a writer that read an older one is refused. */
  revision: number
  updated_at: number
  updated_by: string | null
}

export interface RouterTransitionRow {
  id: string
  router: string
  at: number
  actor: string
  from_stage: string
  to_stage: string
  artifact: string | null
  reason: string
  /** JSON: the numbers that decided. */
  details: string
}

/** One run of the pipeline: collect, train, evaluate, gate, deploy. */
export interface RouterRunRow {
  id: string
  router: string
  trigger: string
  status: string
  step: string
  started_at: number
  /** The process at it says so now and then; silence means that it is gone. */
  heartbeat_at: number
  ended_at: number | null
  /** JSON: per step start, end, result. */
  details: string
}

export interface RouterExperimentRow {
  id: string
  router: string
  name: string
  status: string
  /** JSON: arms, shares, goal, tests so far. */
  settings: string
  created_at: number
  created_by: string | null
  updated_at: number
  ended_at: number | null
}

export interface RouterMonitorRow {
  router: string
  name: string
  /** JSON. */
  state: string
  updated_at: number
}
