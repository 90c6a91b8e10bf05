import { type LabelSource, labelSources, type Quality } from '../labels/label.ts'
import type { Example, Split } from './example.ts'
import { markdownTable } from './markdown.ts'
import type { Prices } from './meta.ts'

/** What a dataset is made of. Stands beside it as `<name>.meta.json` and, for people, `<name>.card.md`. */
export interface DatasetCard {
  readonly format: 'routeiq.routing_dataset.v1'
  readonly name: string
  /** First 12 of the hash. */
  readonly version: string
  /** sha256 of the unzipped lines: `zcat data.jsonl.gz | sha256sum`. */
  readonly sha256: string
  readonly created_at: string
  readonly models: readonly string[]
  readonly usd_per_mtok_in_out: { readonly [model: string]: readonly [number, number] }
  readonly rows: number
  readonly groups: number
  readonly split: { readonly rule: string; readonly train: number; readonly test: number }
  /** Prompts of which more than one line told, and the lines that were joined away. */
  readonly joined: { readonly prompts: number; readonly lines: number }
  /** Prompts without any label: left out, unless they were asked for. */
  readonly unlabelled: number
  readonly bad_lines: number
  readonly sources: readonly CardSource[]
  readonly labels: readonly CardLabels[]
  readonly tasks: { readonly [task: string]: number }
  /** First and last call, where times are known. */
  readonly period: readonly [string, string] | null
}

export interface CardSource {
  readonly file: string
  readonly format: string
  readonly examples: number
}

export interface CardLabels {
  readonly model: string
  readonly source: LabelSource
  readonly count: number
  readonly mean_quality: number
  readonly mean_weight: number
}

/** Counts rows while they are written. */
export class CardCounts {
  readonly #labels = new Map<string, { count: number; quality: number; weight: number }>()
  readonly #tasks = new Map<string, number>()
  readonly #groups = new Set<string>()
  readonly #splits = { train: 0, test: 0 }
  #first = Number.POSITIVE_INFINITY
  #last = Number.NEGATIVE_INFINITY
  #rows = 0

  add(example: Example, qualities: ReadonlyMap<string, Quality>, group: string, split: Split): void {
    this.#rows++
    this.#splits[split]++
    this.#groups.add(group)
    if (example.task !== undefined) this.#tasks.set(example.task, (this.#tasks.get(example.task) ?? 0) + 1)
    if (example.at !== undefined) {
      this.#first = Math.min(this.#first, example.at)
      this.#last = Math.max(this.#last, example.at)
    }
    for (const [model, { source, value, weight }] of qualities) {
      const key = JSON.stringify([model, source])
      const sum = this.#labels.get(key) ?? { count: 0, quality: 0, weight: 0 }
      sum.count++
      sum.quality += value
      sum.weight += weight
      this.#labels.set(key, sum)
    }
  }

  card(
    facts: Pick<DatasetCard, 'name' | 'sha256' | 'created_at' | 'joined' | 'unlabelled' | 'bad_lines' | 'sources'> & {
      readonly models: readonly string[]
      readonly prices: ReadonlyMap<string, Prices>
      readonly splitRule: string
    },
  ): DatasetCard {
    const { models, prices, splitRule, ...rest } = facts
    return {
      format: 'routeiq.routing_dataset.v1',
      ...rest,
      version: facts.sha256.slice(0, 12),
      models,
      usd_per_mtok_in_out: Object.fromEntries(
        [...prices].map(([model, { inputPrice, outputPrice }]) => [
          model,
          [perMillion(inputPrice), perMillion(outputPrice)],
        ]),
      ),
      rows: this.#rows,
      groups: this.#groups.size,
      split: { rule: splitRule, ...this.#splits },
      labels: models.flatMap(model =>
        labelSources.flatMap(source => {
          const sum = this.#labels.get(JSON.stringify([model, source]))
          if (sum === undefined) return []
          const { count, quality, weight } = sum
          return [
            { model, source, count, mean_quality: rounded(quality / count), mean_weight: rounded(weight / count) },
          ]
        }),
      ),
      tasks: Object.fromEntries([...this.#tasks].sort(([a], [b]) => (a < b ? -1 : 1))),
      period: this.#last >= this.#first ? [iso(this.#first), iso(this.#last)] : null,
    }
  }
}

const rounded = (value: number): number => Number(value.toFixed(4))
const perMillion = (price: number): number => Number((price * 1e6).toPrecision(6))
const iso = (at: number): string => new Date(at).toISOString()

export function cardMarkdown(card: DatasetCard): string {
  const { train, test, rule } = card.split
  return `${[
    `# ${card.name}`,
    `Version ${card.version}, made ${card.created_at}. sha256 of the unzipped lines: \`${card.sha256}\`.`,
    [
      `- ${card.rows} prompts in ${card.groups} groups × ${card.models.length} models`,
      `- split: ${train} train, ${test} test; ${rule}`,
      `- ${card.joined.prompts} prompts were told of more than once (${card.joined.lines} lines joined away)`,
      `- ${card.unlabelled} prompts without a label, ${card.bad_lines} unreadable lines`,
      card.period === null ? '- times are not known' : `- calls from ${card.period[0]} to ${card.period[1]}`,
    ].join('\n'),
    '## Sources',
    markdownTable([
      ['file', 'format', 'examples'],
      ...card.sources.map(source => [source.file, source.format, String(source.examples)]),
    ]),
    '## Labels',
    markdownTable([
      ['model', 'source', 'count', 'mean quality', 'mean weight'],
      ...card.labels.map(label => [
        label.model,
        label.source,
        String(label.count),
        String(label.mean_quality),
        String(label.mean_weight),
      ]),
    ]),
    ...(Object.keys(card.tasks).length === 0
      ? []
      : [
          '## Tasks',
          markdownTable([
            ['task', 'prompts'],
            ...Object.entries(card.tasks).map(([task, count]) => [task, String(count)]),
          ]),
        ]),
  ].join('\n\n')}\n`
}
