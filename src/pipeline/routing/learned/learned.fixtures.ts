import type { Method, TrainedRouter } from '../../../learning/predictor.ts'
import { type Prompt, plainShape, promptOf } from '../../../learning/prompt.ts'
import { type LearnedRouting, noLoop } from '../../../learning/rollout/port.ts'
import type { LearnedStrategyName } from '../../../platform/config/learned-strategies.ts'
import type { Deployment } from '../../deployment.ts'
import { deployment, features, ManualClock, price } from '../routing.fixtures.ts'
import { simpleShuffle } from '../strategies/simple-shuffle.ts'
import type { CallFeatures, Candidate, ModelGroup, RoutingContext } from '../types.ts'
import { ArtifactLibrary } from './artifact-library.ts'
import { LearnedServices, type PassedOver } from './learned-services.ts'
import { LearnedStrategy } from './learned-strategy.ts'
import { noOverrides } from './overrides.ts'
import { compilePolicy, type PolicyExtras } from './route-policy.ts'

/** Quality by model, as a prompt's words demand: a router whose predictions a test can read. */
export function stubRouter(
  id: string,
  quality: (prompt: Prompt) => Readonly<Record<string, number>>,
  models = ['cheap', 'dear'],
  methods: readonly Method[] = ['average', 'knn'],
): TrainedRouter {
  return {
    id: id.padEnd(64, '0'),
    name: id,
    createdAt: 0,
    models: models.map((name, i) => ({
      id: name,
      inputPrice: 1e-7 * 10 ** i,
      outputPrice: 4e-7 * 10 ** i,
      labels: 100,
      meanQuality: 0.5 + i / 10,
      meanLatency: undefined,
    })),
    methods,
    featurizer: { id: 'f', dims: 4, features: () => undefined },
    meanCost: 0.001,
    operatingPoints: [],
    clusters: [{ size: 1, about: 'words' }],
    datasetHash: '',
    signed: false,
    prediction: () => ({
      features: new Float32Array(4),
      quality: new Float32Array(models.length),
      variance: new Float32Array(models.length),
      outputTokens: new Float32Array(models.length).fill(100),
      familiarity: 1,
      cluster: 0,
    }),
    predict(prompt, method, into) {
      if (!methods.includes(method)) throw new RangeError(method)
      const wanted = quality(prompt)
      for (const [i, name] of models.entries()) into.quality[i] = wanted[name] ?? 0
      into.cluster = 0
      into.familiarity = 1
    },
  }
}

/** $0.1 and $1 per million tokens in, four times that out. */
export const cheap = deployment('cheap-1', { group: 'cheap', model: 'up-cheap', price: price(1e5, 4e5) })
export const dear = deployment('dear-1', { group: 'dear', model: 'up-dear', price: price(1e6, 4e6, 1e5) })

export function groupOf(...deployments: Deployment[]): ModelGroup {
  return { name: 'auto', deployments }
}

export function kept(deployments: readonly Deployment[]): Candidate[] {
  return deployments.map(own => ({
    deployment: own,
    live: { inFlight: 0, latency: undefined, ttft: undefined, tpm: 0, rpm: 0 },
  }))
}

export function contextOf(text: string, more: Partial<RoutingContext> = {}): RoutingContext {
  return {
    prompt: promptOf(text),
    inputCharacters: 400,
    overrides: noOverrides,
    tags: [],
    userAgent: '',
    requested: 'auto',
    recordId: 'r',
    conversation: 1,
    named: false,
    stickyKey: 'k',
    made: undefined,
    ...more,
  }
}

export const inLoop = (text: string): Prompt => ({
  text,
  system: '',
  shape: { ...plainShape, inToolLoop: true, turns: 2 },
})

export interface World {
  readonly strategy: LearnedStrategy
  readonly services: LearnedServices
  readonly clock: ManualClock
  readonly passedOver: PassedOver[]
  /** Decides a call among the deployments. */
  decide(
    context: RoutingContext,
    deployments?: readonly Deployment[],
    random?: () => number,
  ): ReturnType<LearnedStrategy['decide']>
}

export function world(
  router: TrainedRouter | undefined,
  options: {
    readonly strategy?: LearnedStrategyName
    readonly args?: Parameters<typeof compilePolicy>[1]
    readonly extras?: PolicyExtras
    readonly loop?: Partial<LearnedRouting>
    readonly group?: ModelGroup
  } = {},
): World {
  const clock = new ManualClock()
  const passedOver: PassedOver[] = []
  const silent = (): void => undefined
  const library = new ArtifactLibrary(
    () => {
      throw new Error('nothing is read here')
    },
    { onLoaded: silent, onRefused: silent },
  )
  const services = new LearnedServices(library, clock, {
    decided: silent,
    passedOver: (_strategy, cause) => passedOver.push(cause),
    eventsDropped: silent,
  })
  const assign: LearnedRouting['assign'] = () =>
    router === undefined
      ? undefined
      : { artifact: router, strategy: undefined, shadow: undefined, assignment: undefined, reason: undefined }
  services.loop = { ...noLoop, assign, ...options.loop }
  const policy = compilePolicy(options.strategy ?? 'routeiq-auto', options.args ?? {}, options.extras ?? {})
  const strategy = new LearnedStrategy(policy, simpleShuffle, services, name =>
    name === 'simple-shuffle' ? simpleShuffle : undefined,
  )
  const group = options.group ?? groupOf(cheap, dear)
  return {
    strategy,
    services,
    clock,
    passedOver,
    decide(context, deployments = group.deployments, random = () => 0.999) {
      const asked: CallFeatures = features({ routing: context })
      return strategy.decide({ group, kept: kept(deployments), dropped: undefined, features: asked, random })
    },
  }
}
