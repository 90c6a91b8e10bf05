import { readFileSync } from 'node:fs'
import { readArtifact } from '../../learning/artifact/artifact.ts'
import { count, dollars, percent, quality } from '../../learning/evaluation/render/numbers.ts'
import { textTable } from '../../learning/evaluation/render/text-table.ts'
import type { TrainedRouter } from '../../learning/predictor.ts'
import type { Command } from './command.ts'
import { Misuse, readOptions } from './misuse.ts'

const usage = `routeiq router inspect <artifact>: what an artifact holds

  --json                   as JSON
`

export const inspectCommand: Command = {
  usage,
  async run(argv, _env, output) {
    const { values, positionals } = readOptions(argv, { json: { type: 'boolean' } })
    const [path, ...rest] = positionals
    if (path === undefined || rest.length > 0) throw new Misuse('give one artifact')
    const bytes = readFileSync(path)
    const router = readArtifact(bytes)
    output.out(
      values.json === true ? `${JSON.stringify(facts(router, bytes.length), null, 2)}\n` : told(router, bytes.length),
    )
    return 0
  },
}

function facts(router: TrainedRouter, bytes: number) {
  return {
    id: router.id,
    name: router.name,
    created_at: new Date(router.createdAt).toISOString(),
    bytes,
    signed: router.signed,
    dataset: router.datasetHash,
    methods: router.methods,
    features: { id: router.featurizer.id, dims: router.featurizer.dims },
    mean_cost_usd: router.meanCost,
    models: router.models.map(model => ({
      id: model.id,
      usd_per_mtok_in_out: [model.inputPrice * 1e6, model.outputPrice * 1e6],
      labels: model.labels,
      mean_quality: model.meanQuality,
      mean_latency_ms: model.meanLatency ?? null,
    })),
    clusters: router.clusters,
    operating_points: router.operatingPoints,
  }
}

function told(router: TrainedRouter, bytes: number): string {
  const models = [
    ['model', 'labels', 'mean quality', '$/M in', '$/M out'],
    ...router.models.map(model => [
      model.id,
      count(model.labels),
      quality(model.meanQuality),
      dollars(model.inputPrice * 1e6),
      dollars(model.outputPrice * 1e6),
    ]),
  ]
  const [method] = router.methods.includes('average') ? ['average' as const] : router.methods
  const own = router.operatingPoints.filter(point => point.method === method)
  const step = Math.max(1, Math.ceil(own.length / 12))
  const points = [
    [`${method ?? ''}, λ`, 'quality', '$/1k', 'mostly'],
    ...own
      .filter((_, at) => at % step === 0)
      .map(point => {
        const most = Math.max(...point.shares)
        const model = router.models[point.shares.indexOf(most)]?.id ?? ''
        return [
          point.lambda.toPrecision(2),
          quality(point.quality),
          dollars(point.cost * 1000),
          `${model} ${percent(most, 0)}`,
        ]
      }),
  ]
  const clusters = [
    ['cluster', 'prompts', 'about'],
    ...router.clusters.slice(0, 20).map((cluster, at) => [String(at), count(cluster.size), cluster.about]),
  ]
  return `${[
    `${router.name} ${router.id.slice(0, 12)}, ${(bytes / 1e6).toFixed(2)} MB, ${router.signed ? 'signed' : 'not signed'}, made ${new Date(router.createdAt).toISOString()} from data ${router.datasetHash.slice(0, 12)}`,
    `methods: ${router.methods.join(', ')}; ${router.featurizer.dims} features`,
    textTable(models),
    ...(own.length > 0 ? [textTable(points)] : []),
    textTable(clusters),
  ].join('\n\n')}\n`
}
