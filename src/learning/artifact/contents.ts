import { z } from 'zod'
import { methods, type OperatingPoint } from '../predictor.ts'
import { BrokenPart, type TypedArray } from '../predictors/part.ts'
import type { RouterContents } from '../predictors/trained-router.ts'
import { modelHeader, modelSchema, readModel } from './model-sections.ts'
import { refused } from './refusal.ts'

/** Raised when what stands in the file changes its meaning; older files are then refused with advice to train again. */
export const schemaVersion = 1

const contentsSchema = z.strictObject({
  schemaVersion: z.literal(schemaVersion),
  name: z.string().max(200),
  createdAt: z.number(),
  datasetHash: z.string().max(128),
  meanCost: z.number().nonnegative(),
  models: z
    .array(
      z.strictObject({
        id: z.string().max(300),
        inputPrice: z.number().nonnegative(),
        outputPrice: z.number().nonnegative(),
        labels: z.int().nonnegative(),
        meanQuality: z.number().min(0).max(1),
        meanLatency: z.number().nonnegative().optional(),
      }),
    )
    .min(1)
    .max(1000),
  model: modelSchema,
  /** Texts whose vectors and predictions are in the sections `golden.*`. */
  golden: z.array(z.string().max(5000)).max(200),
})

export function toHeader(contents: RouterContents, golden: readonly string[]): z.infer<typeof contentsSchema> {
  return {
    schemaVersion,
    name: contents.name,
    createdAt: contents.createdAt,
    datasetHash: contents.datasetHash,
    meanCost: contents.meanCost,
    models: contents.models.map(({ meanLatency, ...model }) => ({
      ...model,
      ...(meanLatency === undefined ? {} : { meanLatency }),
    })),
    model: modelHeader(contents),
    golden: [...golden],
  }
}

/** @throws GatewayError, BrokenPart */
export function fromHeader(
  json: unknown,
  arrays: ReadonlyMap<string, TypedArray>,
): { contents: RouterContents; golden: readonly string[] } {
  const parsed = contentsSchema.safeParse(json)
  if (!parsed.success) {
    throw refused(versionAdvice(json) ?? `its header is not understood: ${z.prettifyError(parsed.error)}`)
  }
  const { golden, model, schemaVersion: _, ...rest } = parsed.data
  const models = rest.models.map(({ meanLatency, ...facts }) => ({ ...facts, meanLatency }))
  const operatingPoints = readPoints(arrays, models.length)
  return { contents: { ...rest, models, operatingPoints, ...readModel(model, arrays) }, golden }
}

const pointsPrefix = 'operatingPoints/'

/** Of each method, a row per point: λ, quality, cost, share of each model. Many numbers, so not in the header. */
export function pointArrays(points: readonly OperatingPoint[]): Map<string, TypedArray> {
  const byMethod = Map.groupBy(points, ({ method }) => method)
  return new Map(
    [...byMethod].map(([method, its]) => [
      `${pointsPrefix}${method}`,
      Float32Array.from(its.flatMap(({ lambda, quality, cost, shares }) => [lambda, quality, cost, ...shares])),
    ]),
  )
}

function readPoints(arrays: ReadonlyMap<string, TypedArray>, models: number): OperatingPoint[] {
  const width = 3 + models
  return methods.flatMap(method => {
    const values = arrays.get(`${pointsPrefix}${method}`)
    if (values === undefined) return []
    if (values.length % width !== 0)
      throw new BrokenPart(`the operating points of '${method}' are of another number of models`)
    return Array.from({ length: values.length / width }, (_, row) => {
      const [lambda = 0, quality = 0, cost = 0, ...shares] = values.subarray(row * width, (row + 1) * width)
      return { method, lambda, quality, cost, shares }
    })
  })
}

function versionAdvice(json: unknown): string | undefined {
  const version = typeof json === 'object' && json !== null && 'schemaVersion' in json ? json.schemaVersion : undefined
  if (typeof version !== 'number' || version === schemaVersion) return undefined
  const what = version > schemaVersion ? 'upgrade the gateway' : 'train it again with `routeiq router train`'
  return `it is of format ${version}, this release reads ${schemaVersion}: ${what}`
}
