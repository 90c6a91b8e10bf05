/** Names of `routing_strategy` that choose among different models by what is known of the prompt; see docs/learned-routing.md. */
export const learnedStrategies = [
  'routeiq-auto',
  'llmrouter-knn',
  'llmrouter-svm',
  'llmrouter-rbf-svm',
  'llmrouter-mlp',
  'llmrouter-mf',
  'llmrouter-elo',
  'llmrouter-logistic',
  'llmrouter-ridge',
  'llmrouter-kmeans',
  'llmrouter-hybrid',
  'llmrouter-automix',
  'llmrouter-cost-aware',
  'llmrouter-cost-cascade',
  'llmrouter-smallest',
  'llmrouter-largest',
  'llmrouter-custom',
  'llmrouter-kumaraswamy-thompson',
  'llmrouter-linucb',
  'llmrouter-semantic-intent',
  'llmrouter-tag-regex-ua',
  'llmrouter-nadirclaw-centroid',
  'centroid',
  'complexity',
] as const

export type LearnedStrategyName = (typeof learnedStrategies)[number]

/** Names of other routers that a config may bring along, and what to write in their place. */
export const strategyAdvice: ReadonlyMap<string, string> = new Map([
  ...['llmrouter-routerdc', 'llmrouter-causallm', 'llmrouter-graph', 'llmrouter-gmt'].map(
    name => [name, slow(name)] as const,
  ),
  ...['llmrouter-knn-multiround', 'llmrouter-llm-multiround', 'llmrouter-r1'].map(
    name => [name, severalCalls(name)] as const,
  ),
  [
    'llmrouter-kv-cache-aware',
    'llmrouter-kv-cache-aware reads metrics of vLLM; use "least-busy" and routeiq.prefix_affinity',
  ],
  ['llmrouter-latency-sla', 'use "routeiq-auto" with routing_strategy_args.max_latency_ms, or "latency-based-routing"'],
  ['llmrouter-usage-based', 'use "usage-based-routing"'],
  ['llmrouter-least-busy', 'use "least-busy"'],
])

function slow(name: string): string {
  return `${name} runs a neural network of its own before every call (20 ms and more, or a GPU) and is not offered; measured on the same data, "routeiq-auto" is as good`
}

function severalCalls(name: string): string {
  return `${name} makes several model calls per request and is not offered; use "routeiq-auto", or a cascade ("llmrouter-cost-cascade")`
}
