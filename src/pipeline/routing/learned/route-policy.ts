import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Bounds } from '../../../learning/objective/constrain.ts'
import { presets } from '../../../learning/objective/presets.ts'
import type { Target } from '../../../learning/objective/solve.ts'
import type { Method } from '../../../learning/predictor.ts'
import type { Prompt } from '../../../learning/prompt.ts'
import type { ComplexityScorer } from '../../../learning/rules/complexity.ts'
import type { IntentMatcher } from '../../../learning/rules/intents.ts'
import type { RequestRule } from '../../../learning/rules/request-rules.ts'
import type { LearnedArgs } from '../../../platform/config/learned-routing-settings.ts'
import type { LearnedStrategyName } from '../../../platform/config/learned-strategies.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { StatedFacts } from './arms.ts'
import type { Profile } from './profiles.ts'

/** Where the quality of a model comes from. */
export type Predicts =
  /** The artifact's method; without an artifact, the guess. */
  | { readonly kind: 'method'; readonly method: Method }
  /** How hard the prompt looks against how strong the model probably is. */
  | { readonly kind: 'guess' }
  /** The price alone, cheapest or dearest first. */
  | { readonly kind: 'size'; readonly largest: boolean }
  | { readonly kind: 'custom'; readonly predict: CustomPredict }

/**
 * A router of the user's own: expected quality 0..1 per model, in the order given. Fast and without waiting: it is called
 * on the road of every call.
 */
export type CustomPredict = (
  prompt: Prompt,
  models: readonly { readonly name: string; readonly inputPrice?: number; readonly outputPrice?: number }[],
) => readonly number[]

/** How the choice is made once qualities are known. */
export type Chooses = 'utility' | 'hybrid' | 'thompson' | 'linucb'

export interface CascadePolicy {
  readonly checks: readonly string[]
  readonly maxRungs: number
  /** Milliseconds after which no further model is asked. */
  readonly maxAddedLatency: number
  readonly minLogprob: number
}

/** A learned route, compiled from its settings. Immutable. */
export interface RoutePolicy {
  readonly strategy: string
  /** Under which artifacts are activated and rolled out. */
  readonly router: string
  readonly artifactPath: string | undefined
  readonly hotReload: boolean
  /** Milliseconds. */
  readonly reloadInterval: number
  readonly predicts: Predicts
  readonly chooses: Chooses
  readonly lambda: number
  readonly mu: number
  readonly tie: number
  readonly target: Target | undefined
  readonly bounds: Bounds
  /** US dollars per output token. */
  readonly maxOutputPrice: number | undefined
  /** Only a strong and a weak model are candidates; names, or found by quality and price. */
  readonly pair: { readonly strong: string | undefined; readonly weak: string | undefined } | undefined
  readonly hybridThreshold: number
  /** Without an artifact every call is drawn evenly. */
  readonly shuffles: boolean
  readonly exploration: number
  readonly explorationRegret: number
  /** Of LinUCB: what one unit of its confidence width adds to the utility. */
  readonly alpha: number
  readonly sticky: boolean
  readonly switchMargin: number
  /** Milliseconds. */
  readonly sessionTtl: number
  readonly deploymentStrategy: string
  /** Milliseconds. */
  readonly timeLimit: number
  readonly labels: Readonly<Record<string, string>>
  readonly stated: ReadonlyMap<string, StatedFacts>
  readonly profile: Profile | undefined
  readonly rules: readonly RequestRule[]
  readonly intents: IntentMatcher | undefined
  readonly complexity: ComplexityPolicy | undefined
  /** Tried when a rule or an intent says nothing, before anything is predicted; undefined: the prediction decides. */
  readonly defaultModel: string | undefined
  readonly cascade: CascadePolicy | undefined
  /** Of everything above: 12 hex digits. */
  readonly hash: string
}

/** Tiers of a complexity router, each with its model groups. */
export interface ComplexityPolicy {
  readonly scorer: ComplexityScorer
  readonly tiers: Readonly<Record<string, readonly string[]>>
}

export interface PolicyExtras {
  readonly rules?: readonly RequestRule[]
  readonly intents?: IntentMatcher | undefined
  readonly complexity?: ComplexityPolicy | undefined
  readonly defaultModel?: string | undefined
  readonly profile?: Profile | undefined
  readonly target?: Target | undefined
  readonly pair?: RoutePolicy['pair']
  readonly lambda?: number | undefined
  /** What `module` exports. */
  readonly custom?: CustomPredict | undefined
  /** Told apart from other policies by more than its arguments. */
  readonly salt?: unknown
}

const methods: Readonly<Partial<Record<LearnedStrategyName, Method>>> = {
  'routeiq-auto': 'average',
  'llmrouter-knn': 'knn',
  'llmrouter-svm': 'svm',
  'llmrouter-rbf-svm': 'rbf-svm',
  'llmrouter-mlp': 'mlp',
  'llmrouter-mf': 'mf',
  'llmrouter-elo': 'elo',
  'llmrouter-logistic': 'logistic',
  'llmrouter-ridge': 'ridge',
  'llmrouter-kmeans': 'tables',
}

/** @throws GatewayError `config_invalid` that names the argument at fault and says what to do */
export function compilePolicy(
  strategy: LearnedStrategyName,
  args: LearnedArgs,
  extras: PolicyExtras = {},
): RoutePolicy {
  refuseForeign(args)
  if (strategy === 'llmrouter-custom' && extras.custom === undefined) {
    throw invalid('module', 'llmrouter-custom needs it: an ES module whose default export predicts.')
  }
  const target = extras.target ?? targetOf(args)
  const costAware = strategy === 'llmrouter-cost-aware'
  const cascade = strategy === 'llmrouter-cost-cascade' || strategy === 'llmrouter-automix'
  // By size alone: neither price nor time has a say.
  const bySize = strategy === 'llmrouter-smallest' || strategy === 'llmrouter-largest'
  const weight = Math.min(0.95, args.cost_weight ?? 0.7)
  const pair =
    extras.pair ??
    (strategy === 'llmrouter-hybrid' || strategy === 'llmrouter-automix'
      ? { strong: args.strong_model, weak: args.weak_model }
      : undefined)
  return {
    strategy,
    router: args.router ?? 'default',
    artifactPath: args.model_path === undefined ? undefined : resolve(args.model_path),
    hotReload: args.hot_reload ?? true,
    reloadInterval: (args.reload_interval ?? 300) * 1000,
    predicts: predicts(strategy, extras.custom),
    chooses:
      strategy === 'llmrouter-hybrid'
        ? 'hybrid'
        : strategy === 'llmrouter-kumaraswamy-thompson'
          ? 'thompson'
          : strategy === 'llmrouter-linucb'
            ? 'linucb'
            : 'utility',
    lambda: bySize ? 0 : (extras.lambda ?? (costAware ? weight / (1 - weight) : statedLambda(args))),
    mu: bySize ? 0 : (args.latency_weight ?? 0),
    tie: bySize ? 0 : (args.tie ?? 0.005),
    target,
    bounds: {
      maxCost: args.max_cost,
      maxLatency: args.max_latency_ms,
      floor:
        args.quality_floor === undefined
          ? undefined
          : { reference: args.quality_floor.model, margin: args.quality_floor.margin },
      minQuality: costAware ? (args.quality_threshold ?? 0.7) : undefined,
    },
    maxOutputPrice:
      args.max_cost_per_1k_tokens === undefined || !costAware ? undefined : args.max_cost_per_1k_tokens / 1000,
    pair,
    hybridThreshold: args.threshold ?? 0.5,
    shuffles: args.cold_start === 'shuffle',
    exploration: args.exploration ?? 0,
    explorationRegret: args.exploration_regret ?? 0.1,
    alpha: args.alpha ?? 0.1,
    sticky: args.sticky_sessions ?? true,
    switchMargin: args.switch_margin ?? 0.03,
    sessionTtl: (args.session_ttl ?? 3600) * 1000,
    deploymentStrategy: args.deployment_strategy ?? 'simple-shuffle',
    timeLimit: args.time_limit_ms ?? 20,
    labels: args.label_mapping ?? {},
    stated: args.llm_data_path === undefined ? noFacts : readModelData(args.llm_data_path),
    profile: extras.profile,
    rules: extras.rules ?? [],
    intents: extras.intents,
    complexity: extras.complexity,
    defaultModel: extras.defaultModel,
    cascade: cascade
      ? {
          checks: args.checks ?? ['not_truncated', 'not_refusal', 'json_schema', 'tool_call_valid'],
          maxRungs: strategy === 'llmrouter-automix' ? 2 : (args.max_rungs ?? 4),
          maxAddedLatency: args.max_added_latency_ms ?? 30_000,
          minLogprob: args.min_logprob ?? -1,
        }
      : undefined,
    hash: createHash('sha256')
      .update(JSON.stringify([strategy, args, extras.salt, extras.target, extras.lambda, extras.profile, extras.pair]))
      .digest('hex')
      .slice(0, 12),
  }
}

const statedLambda = ({ lambda, preset = 'balanced' }: LearnedArgs): number => lambda ?? presets[preset]

const noFacts: ReadonlyMap<string, StatedFacts> = new Map()

function predicts(strategy: LearnedStrategyName, custom: CustomPredict | undefined): Predicts {
  if (strategy === 'llmrouter-custom' && custom !== undefined) return { kind: 'custom', predict: custom }
  const method = methods[strategy]
  if (method !== undefined) return { kind: 'method', method }
  switch (strategy) {
    case 'llmrouter-smallest':
      return { kind: 'size', largest: false }
    case 'llmrouter-largest':
      return { kind: 'size', largest: true }
    case 'centroid':
    case 'llmrouter-nadirclaw-centroid':
    case 'complexity':
    case 'llmrouter-semantic-intent':
    case 'llmrouter-tag-regex-ua':
      return { kind: 'guess' }
    default:
      return { kind: 'method', method: 'average' }
  }
}

function targetOf(args: LearnedArgs): Target | undefined {
  const targets: Target[] = []
  if (args.max_cost_per_1k !== undefined) targets.push({ kind: 'max_cost_per_1k', dollars: args.max_cost_per_1k })
  if (args.min_quality_of !== undefined) targets.push({ kind: 'min_quality_of', ...args.min_quality_of })
  if (args.max_strong_share !== undefined) {
    // Found by quality where it is not named.
    targets.push({ kind: 'max_strong_share', model: args.strong_model ?? '', share: args.max_strong_share })
  }
  if (targets.length > 1) {
    throw invalid(
      'max_cost_per_1k',
      'max_cost_per_1k, min_quality_of and max_strong_share exclude each other: set one.',
    )
  }
  return targets[0]
}

const pickles = /\.(pkl|pickle|joblib|pt|pth|bin|ckpt|npy|npz)$/i

/** Arguments of other routers that mean something this gateway does otherwise, or must not do. */
function refuseForeign(args: LearnedArgs): void {
  const { model_path: path } = args
  if (path !== undefined && pickles.test(path)) {
    throw invalid(
      'model_path',
      `${path} is a pickle or a tensor file, which can run code when it is opened or says nothing of its features. Export the training data of LLMRouter (routing JSONL) and run \`routeiq router train --data routing.jsonl --out router.routeiq\`; name that file here.`,
    )
  }
  if (args.embedding_model !== undefined) {
    throw invalid('embedding_model', 'an artifact brings its own features, made when it was trained: remove the key.')
  }
  if (args.config_path !== undefined) {
    throw invalid(
      'config_path',
      'LLMRouter’s YAML is not read: thresholds and targets are arguments here, training settings are options of `routeiq router train`.',
    )
  }
  if (args.model_s3_bucket !== undefined || args.model_s3_key !== undefined) {
    throw invalid(
      'model_s3_bucket',
      'artifacts are files: fetch it (an init container, a sync job) and set model_path.',
    )
  }
  if (args.use_inference_only === false) {
    throw invalid('use_inference_only', 'the gateway does not train while it serves; `routeiq router train` does.')
  }
}

/** RouteIQ's `llm_candidates.json`. */
function readModelData(path: string): ReadonlyMap<string, StatedFacts> {
  let data: unknown
  try {
    data = JSON.parse(readFileSync(resolve(path), 'utf8'))
  } catch (error) {
    throw invalid('llm_data_path', `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const facts = new Map<string, StatedFacts>()
  for (const [name, entry] of Object.entries(data ?? {})) {
    const { quality_score: quality, cost_per_1k_tokens: cost, model_id: id } = (entry ?? {}) as Record<string, unknown>
    const own: StatedFacts = {
      quality: typeof quality === 'number' ? quality : undefined,
      inputPrice: perToken(cost, 'input'),
      outputPrice: perToken(cost, 'output'),
    }
    facts.set(name.toLowerCase(), own)
    if (typeof id === 'string') facts.set(id.toLowerCase(), own)
  }
  return facts
}

function perToken(cost: unknown, key: string): number | undefined {
  const value = typeof cost === 'object' && cost !== null ? (cost as Record<string, unknown>)[key] : undefined
  return typeof value === 'number' ? value / 1000 : undefined
}

export const invalid = (key: string, message: string): GatewayError =>
  new GatewayError('config_invalid', `routing_strategy_args.${key}: ${message}`, {
    param: `routing_strategy_args.${key}`,
  })
