import { z } from 'zod'
import { defaulted, key, required, section } from './section.ts'
import { count, flag, name, positiveCount, text } from './values.ts'

const share = z.number().min(0).max(1)
const days = z.number().min(0)

const capture = section({
  max_characters: defaulted(positiveCount, 16_000, 'Longest text that is kept of one call; more is cut in its middle.'),
  retention_days: defaulted(days, 30, 'How long captured text is kept.', { unit: 'days' }),
  max_rows: defaulted(positiveCount, 200_000, 'Calls whose text is kept at most; the oldest go first.'),
})

const feedback = section({
  per_minute: defaulted(positiveCount, 120, 'Feedback that one key may give in a minute.'),
  per_day: defaulted(positiveCount, 10_000, 'In a day.'),
  linear_bandit: defaulted(
    flag,
    false,
    'Teach LinUCB arms, which decide for llmrouter-linucb; 35 kB are read and written per event. Needs `decisions`: their records hold the features of prompts.',
  ),
})

const rollout = section({
  shares: defaulted(
    z.array(share).min(1).max(12),
    [0, 0.01, 0.05, 0.25, 1],
    'Steps of a rollout, as shares of calls; 0 is the shadow.',
  ),
  min_calls: defaulted(count, 200, 'Calls of the candidate in each step at least.'),
  min_seconds: defaulted(count, 600, 'Length of each step at least.', { unit: 's' }),
  max_error_increase: defaulted(share, 0.01, 'Share of failed calls that a candidate may have more, points.'),
  max_slow_increase: defaulted(share, 0.05, 'Calls slower than the control’s p95 that it may have more, points.'),
  max_cost_increase: defaulted(z.number().min(0), 0.25, 'Cost per call that it may have more, relative.'),
  max_feedback_drop: defaulted(share, 0.05, 'Mean feedback (0..1) that it may have less, points.'),
  false_alarms: defaulted(z.number().gt(0).max(0.5), 0.05, 'Chance that a good candidate is rolled back.'),
  check_seconds: defaulted(z.number().min(0.2), 5, 'How often guards are looked at.', { unit: 's' }),
})

const drift = section({
  enabled: defaulted(flag, true, 'Watch prompts and outcomes of active artifacts.'),
  check_seconds: defaulted(z.number().min(0.2), 60, 'How often.', { unit: 's' }),
  window: defaulted(positiveCount, 1000, 'Calls that are compared with those before them.'),
  input_psi: defaulted(z.number().gt(0), 0.3, 'Population stability index of prompt clusters that counts as drift.'),
  exploration: defaulted(z.number().min(1).max(10), 2, 'Factor on exploration after drift, until acknowledged.'),
})

const pipeline = section({
  router: required(name, 'Whose artifact is trained.'),
  schedule: required(text, 'Cron line of five fields, UTC: `0 3 * * 0`.'),
  dataset: key(name, 'File or folder of labelled data that own captured calls are added to.'),
  min_rows: defaulted(positiveCount, 250, 'Labelled prompts needed; fewer end the run without an artifact.'),
  lookback_days: defaulted(days, 30, 'How far back own calls are read.', { unit: 'days' }),
  deploy: defaulted(
    z.enum(['none', 'rollout', 'activate']),
    'rollout',
    'What happens to an artifact that passes the gate.',
  ),
})

/** `routeiq.router_loop`. */
export const routerLoop = section({
  decisions: defaulted(flag, true, 'Keep routing decisions and their outcomes in the store: numbers and hashes.'),
  decisions_per_second: defaulted(
    z.number().positive(),
    500,
    'Decisions written in a second by one process at most; of more, as many spread evenly over it.',
  ),
  decision_retention_days: defaulted(days, 90, 'How long.', { unit: 'days' }),
  max_artifact_age_days: key(days, 'Artifacts trained longer ago are not activated. Default: any age.', {
    unit: 'days',
  }),
  capture: {
    schema: capture.prefault({}),
    info: {
      status: 'active',
      description: 'Text of calls, kept only for keys and teams with `routeiq_capture` in their metadata.',
    },
  },
  feedback: {
    schema: feedback.prefault({}),
    info: { status: 'active', description: 'POST /v1/routeiq/feedback.' },
  },
  rollout: {
    schema: rollout.prefault({}),
    info: { status: 'active', description: 'How artifacts get from shadow to active.' },
  },
  drift: { schema: drift.prefault({}), info: { status: 'active', description: 'Monitors of prompts and outcomes.' } },
  pipelines: key(z.array(pipeline), 'Retraining on a schedule, by one replica.', { default: [] }),
})

export type RouterLoopSettings = z.output<typeof routerLoop>
export type PipelineSettings = z.output<typeof pipeline>
