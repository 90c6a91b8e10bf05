import { z } from 'zod'
import { type FeatureSpec, featureVersion } from '../features/featurizer.ts'
import { buckets, hashBits } from '../features/tokens.ts'
import { arrayOf, floats, type Part, type TypedArray } from '../predictors/part.ts'
import type { RouterContents } from '../predictors/trained-router.ts'
import { refused } from './refusal.ts'

/** Features, parts and clusters as a header and sections: what an artifact and a checkpoint of training share. */
export type Model = Pick<RouterContents, 'features' | 'parts' | 'clusters'>

const count = z.int().nonnegative()
const mostCharacters = 100_000

export const modelSchema = z.strictObject({
  features: z.strictObject({
    version: z.int(),
    hashBits: z.literal(hashBits),
    components: z.int().min(1).max(1024),
    excerpt: z.strictObject({
      whole: count.max(mostCharacters),
      head: count.max(mostCharacters),
      tail: count.max(mostCharacters),
    }),
    systemCharacters: count.max(mostCharacters),
    columns: z.array(count),
    columnWeight: z.number().nonnegative(),
  }),
  parts: z.record(z.string(), z.record(z.string(), z.number())),
  clusters: z.array(z.strictObject({ size: count, about: z.string().max(200) })),
})
export type ModelHeader = z.infer<typeof modelSchema>

const featureArrays = ['idf', 'projection', 'projectionScale', 'centre', 'scale'] as const

export function modelHeader({ features, parts, clusters }: Model): ModelHeader {
  const { version, components, excerpt, systemCharacters, columns, columnWeight } = features
  return {
    features: { version, hashBits, components, excerpt, systemCharacters, columns: [...columns], columnWeight },
    parts: Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, { ...part.facts }])),
    clusters: clusters.map(({ size, about }) => ({ size, about })),
  }
}

export function modelArrays({ features, parts }: Model): Map<string, TypedArray> {
  const arrays = new Map<string, TypedArray>(featureArrays.map(name => [`features/${name}`, features[name]]))
  for (const [name, part] of Object.entries(parts)) {
    for (const [array, values] of Object.entries(part.arrays)) arrays.set(`${name}/${array}`, values)
  }
  return arrays
}

/** @throws GatewayError, BrokenPart */
export function readModel({ features, parts, clusters }: ModelHeader, arrays: ReadonlyMap<string, TypedArray>): Model {
  if (features.version !== featureVersion) {
    throw refused(
      `its features are of version ${features.version}, this release makes ${featureVersion}: train it again with \`routeiq router train\``,
    )
  }
  const named = (name: string, facts: Readonly<Record<string, number>>): Part => ({
    facts,
    arrays: Object.fromEntries(
      [...arrays].flatMap(([key, array]) => (key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), array]] : [])),
    ),
  })
  return {
    features: featureSpec(features, named('features', {})),
    parts: Object.fromEntries(Object.entries(parts).map(([name, facts]) => [name, named(name, facts)])),
    clusters,
  }
}

function featureSpec({ hashBits: _, ...header }: ModelHeader['features'], part: Part): FeatureSpec {
  return {
    ...header,
    centre: floats(part, 'centre', header.columns.length),
    scale: floats(part, 'scale', header.columns.length),
    idf: arrayOf(part, 'idf', Uint16Array, buckets),
    projection: arrayOf(part, 'projection', Int8Array, buckets * header.components),
    projectionScale: floats(part, 'projectionScale', buckets),
  }
}
