import { createPublicKey, type KeyObject } from 'node:crypto'
import { presets } from '../../../learning/objective/presets.ts'
import type {
  LearnedArgs,
  LearnedRoutingSettings,
  Overridable,
  RouteSettings,
} from '../../../platform/config/learned-routing-settings.ts'
import { type LearnedStrategyName, learnedStrategies } from '../../../platform/config/learned-strategies.ts'
import type { GatewayConfig } from '../../../platform/config/schema.ts'
import type { Deployment } from '../../deployment.ts'
import { createStrategy, strategyIds } from '../strategies/index.ts'
import type { ModelGroup, Strategy } from '../types.ts'
import { type Following, TrustedKeys } from './artifact-library.ts'
import { autoRouterGroups } from './auto-routers.ts'
import { compileIntents, compileRules, invalid } from './compile-rules.ts'
import type { LearnedServices } from './learned-services.ts'
import { LearnedStrategy } from './learned-strategy.ts'
import { type CustomPredict, compilePolicy, type PolicyExtras, type RoutePolicy } from './route-policy.ts'
import { methodIn } from './score-call.ts'
import { readVirtualName, shownNames, strongShare, type VirtualName } from './virtual-models.ts'

/** Learned routing of one configuration. */
export interface CompiledLearning {
  /** In place of the router's classic strategy; undefined: the configuration names a classic one. */
  readonly strategy: Strategy | undefined
  /** Names that stand for a choice among groups. Equal names give the same group. */
  readonly virtual: (name: string) => ModelGroup | undefined
  readonly virtualNames: readonly string[]
  readonly allowedRegions: ReadonlySet<string> | undefined
  /** What callers may set per request. */
  readonly overridable: ReadonlySet<Overridable>
  readonly following: Following
  readonly warnings: readonly string[]
}

/** Names that are made when they are first asked for: `router-mf-0.12` and the like. */
const maxVirtual = 200

export const isLearned = (name: string): name is LearnedStrategyName =>
  (learnedStrategies as readonly string[]).includes(name)

/** Kinds of models that answer chats; where the kind is not known it is taken for one. */
const chatModes = new Set([undefined, 'chat', 'completion', 'responses'])

interface LatencyDefaults {
  readonly lowestLatencyBuffer: number
}

/** @throws GatewayError `config_invalid` that names the key at fault */
export function compileLearned(
  config: GatewayConfig,
  deployments: readonly Deployment[],
  services: LearnedServices,
  latency: LatencyDefaults,
): CompiledLearning {
  return new Compiler(config, deployments, services, latency).compile()
}

class Compiler {
  readonly #config: GatewayConfig
  readonly #settings: LearnedRoutingSettings
  readonly #deployments: readonly Deployment[]
  readonly #services: LearnedServices
  readonly #latency: LatencyDefaults
  readonly #trusted: TrustedKeys
  readonly #warnings: string[] = []
  readonly #followed = new Map<string, { hotReload: boolean; interval: number }>()
  readonly #virtual = new Map<string, ModelGroup>()

  constructor(
    config: GatewayConfig,
    deployments: readonly Deployment[],
    services: LearnedServices,
    latency: LatencyDefaults,
  ) {
    this.#config = config
    this.#settings = config.routeiq.routing
    this.#deployments = deployments
    this.#services = services
    this.#latency = latency
    this.#trusted = new TrustedKeys((this.#settings.artifact_public_keys ?? []).map(publicKey))
  }

  compile(): CompiledLearning {
    const settings = this.#settings
    const { routing_strategy: named, routing_strategy_args: args = {} } = this.#config.router_settings
    const strategy = isLearned(named) ? this.#strategy(named, args, this.#extras(settings)) : undefined
    const routers = autoRouterGroups(this.#config, {
      deployments: this.#deployments,
      strategy: (name, extras) => this.#strategy(name, args, extras),
      warn: text => this.#warnings.push(text),
    })
    for (const group of routers) this.#virtual.set(group.name, group)
    const routes = new Set(Object.keys(settings.routes ?? {}))
    // Mistakes in a route are told when the configuration is read, not when somebody asks for it.
    for (const name of routes) this.#make(`router/${name}`, { route: name })
    const pool = this.#pool(settings.pool, 'routeiq.routing.pool')
    const serves = settings.virtual_models && new Set(pool.map(({ group }) => group)).size > 1
    if (serves) this.#make('auto', {})
    const configured = strategy !== undefined || this.#isConfigured()
    return {
      strategy,
      virtual: name => this.#virtual.get(name) ?? this.#named(name, routes, serves),
      virtualNames: [
        ...routers.map(({ name }) => name),
        ...(serves && configured ? shownNames : []),
        ...[...routes].map(name => `router/${name}`),
      ],
      allowedRegions:
        settings.allowed_regions === undefined
          ? undefined
          : new Set(settings.allowed_regions.map(region => region.toLowerCase())),
      overridable: new Set(settings.allow_overrides),
      following: { trusted: this.#trusted, files: this.#followed },
      warnings: this.#warnings,
    }
  }

  /** Something of `routeiq.routing` was written: then its names are worth showing. */
  #isConfigured(): boolean {
    const { pool, strategy, strategy_args, routes, rules, intents } = this.#settings
    return [pool, strategy, strategy_args, routes, rules, intents].some(value => value !== undefined)
  }

  #named(name: string, routes: ReadonlySet<string>, serves: boolean): ModelGroup | undefined {
    if (!serves) return undefined
    const asked = readVirtualName(name, routes)
    if (asked === undefined || asked.route !== undefined) return undefined
    return this.#make(name, asked)
  }

  #make(name: string, asked: VirtualName): ModelGroup {
    const route: RouteSettings = asked.route === undefined ? {} : (this.#settings.routes?.[asked.route] ?? {})
    const merged = { ...this.#settings, ...defined(route) }
    const { routing_strategy: classic, routing_strategy_args: ownArgs = {} } = this.#config.router_settings
    const args = merged.strategy_args ?? ownArgs
    const strategy = asked.strategy ?? merged.strategy ?? (isLearned(classic) ? classic : defaultStrategy(args))
    const at = asked.route === undefined ? 'routeiq.routing.pool' : `routeiq.routing.routes.${asked.route}.pool`
    const group: ModelGroup = {
      name,
      deployments: this.#pool(merged.pool, at),
      strategy: this.#strategy(strategy, args, { ...this.#extras(merged), ...askedExtras(asked, args) }),
    }
    if (this.#virtual.size < maxVirtual) this.#virtual.set(name, group)
    return group
  }

  #extras({ rules = [], intents = [] }: Pick<RouteSettings, 'rules' | 'intents'>): PolicyExtras {
    for (const { models, name } of [...rules, ...intents]) {
      for (const model of models) {
        if (!this.#deployments.some(({ group }) => group === model)) {
          throw invalid('routeiq.routing', `"${name}" names the model group "${model}", which model_list does not have`)
        }
      }
    }
    return { rules: compileRules(rules), intents: compileIntents(intents), salt: [rules, intents] }
  }

  #strategy(name: LearnedStrategyName, args: LearnedArgs, extras: PolicyExtras): LearnedStrategy {
    const policy = compilePolicy(name, args, { ...extras, custom: this.#module(args) })
    this.#openArtifact(policy)
    this.#warnOfDeafness(policy)
    const inner = createStrategy(policy.deploymentStrategy, this.#latency)
    return new LearnedStrategy(policy, inner, this.#services, other =>
      strategyIds.includes(other) ? createStrategy(other, this.#latency) : undefined,
    )
  }

  #warnOfDeafness({ strategy, chooses }: RoutePolicy): void {
    const { feedback, decisions } = this.#config.routeiq.router_loop
    if (chooses !== 'linucb' || (feedback.linear_bandit && decisions)) return
    const missing = decisions ? 'feedback.linear_bandit' : 'decisions'
    this.#warnings.push(`${strategy} learns nothing while routeiq.router_loop.${missing} is false`)
  }

  /** Loaded before, because that takes waiting; a configuration that is only looked at has none. */
  #module({ module }: LearnedArgs): CustomPredict | undefined {
    if (module === undefined) return undefined
    const { modules } = this.#services
    return modules === undefined ? (_prompt, models) => models.map(() => 0.5) : modules.get(module)
  }

  /**
   * A gateway that starts comes up without its artifact, by guess and with a warning; a reload that names one which
   * cannot be used is refused.
   */
  #openArtifact({ artifactPath: path, hotReload, reloadInterval, predicts, strategy }: RoutePolicy): void {
    if (path === undefined || this.#followed.has(path)) return
    const { artifacts } = this.#services
    const artifact = artifacts.open(path, this.#trusted)
    const problem = artifacts.problemOf(path)
    this.#followed.set(path, { hotReload, interval: reloadInterval })
    if (artifact === undefined) {
      const text = `routing_strategy_args.model_path: ${path} cannot be used: ${problem}`
      if (this.#services.started)
        throw invalid('routing_strategy_args.model_path', `${path} cannot be used: ${problem}`)
      this.#warnings.push(`${text}; until it can, models are chosen by price and how hard a prompt looks`)
      return
    }
    if (problem !== undefined) {
      this.#warnings.push(`${path}: what is there now cannot be used (${problem}); the artifact loaded before stays`)
    }
    if (predicts.kind === 'method' && !artifact.methods.includes(predicts.method)) {
      this.#warnings.push(
        `${strategy}: the artifact ${path} was trained without "${predicts.method}"; "${methodIn(artifact, predicts.method)}" decides in its place`,
      )
    }
  }

  /** Deployments of the named groups, or of every chat model. */
  #pool(names: readonly string[] | undefined, at: string): readonly Deployment[] {
    if (names === undefined) {
      return this.#deployments.filter(
        ({ group, target }) => !group.includes('*') && chatModes.has(target.capabilities.mode),
      )
    }
    const groups = new Set(this.#deployments.map(({ group }) => group))
    for (const name of names) {
      if (!groups.has(name)) throw invalid(at, `no model group is called "${name}"`)
      if (name.includes('*')) throw invalid(at, `"${name}" is a pattern, not one model`)
    }
    return this.#deployments.filter(({ group }) => names.includes(group))
  }
}

/** DER before the 32 bytes of an Ed25519 public key. */
const spki = Buffer.from('302a300506032b6570032100', 'hex')

/** PEM, or base64 of the whole DER, or of its 32 bytes alone. */
function publicKey(text: string): KeyObject {
  try {
    if (text.includes('BEGIN')) return createPublicKey(text)
    const bytes = Buffer.from(text, 'base64')
    return createPublicKey({
      key: bytes.length === 32 ? Buffer.concat([spki, bytes]) : bytes,
      format: 'der',
      type: 'spki',
    })
  } catch {
    throw invalid(
      'routeiq.routing.artifact_public_keys',
      'not an Ed25519 public key; give PEM, or base64 of its 32 bytes',
    )
  }
}

const defaultStrategy = (args: LearnedArgs): LearnedStrategyName =>
  args.model_path === undefined ? 'centroid' : 'routeiq-auto'

function askedExtras({ preset, profile, strongShare: share }: VirtualName, args: LearnedArgs): PolicyExtras {
  return {
    ...(preset === undefined ? {} : { lambda: presets[preset] }),
    ...(profile === undefined ? {} : { profile }),
    ...(share === undefined
      ? {}
      : {
          target: strongShare(share, args.strong_model),
          pair: { strong: args.strong_model, weak: args.weak_model },
        }),
  }
}

const defined = (route: RouteSettings): Partial<RouteSettings> =>
  Object.fromEntries(Object.entries(route).filter(([, value]) => value !== undefined))
