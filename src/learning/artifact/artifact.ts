import type { KeyObject } from 'node:crypto'
import type { TrainedRouter } from '../predictor.ts'
import { BrokenPart } from '../predictors/part.ts'
import { createTrainedRouter, type RouterContents } from '../predictors/trained-router.ts'
import { containerExtent, isContainer, packContainer, unpackContainer } from './container.ts'
import { fromHeader, pointArrays, toHeader } from './contents.ts'
import { refuseForeign } from './foreign-formats.ts'
import { goldenDifference, goldenTexts, goldenValues } from './golden.ts'
import { modelArrays } from './model-sections.ts'
import { refused } from './refusal.ts'
import { checkSeal, sealed, signatureOf } from './seal.ts'

/** One file that holds a trained router: data, never code. Not signed. */
export function writeArtifact(contents: RouterContents): Uint8Array {
  const golden = goldenValues(createTrainedRouter(contents, '', false), goldenTexts)
  const arrays = new Map([...modelArrays(contents), ...pointArrays(contents.operatingPoints)])
  arrays.set('golden.features', golden.features)
  arrays.set('golden.quality', golden.quality)
  return sealed(packContainer(toHeader(contents, goldenTexts), arrays))
}

/** The same artifact, signed. @param privateKey Ed25519 */
export function signArtifact(artifact: Uint8Array, privateKey: KeyObject): Uint8Array {
  const { length } = containerExtent(artifact)
  checkSeal(artifact, length)
  const container = artifact.subarray(0, length)
  return sealed(container, signatureOf(container, privateKey))
}

export interface ReadOptions {
  /** Ed25519. Once there are any, an artifact that is unsigned or signed by none of them is refused. */
  readonly publicKeys?: readonly KeyObject[]
}

/**
 * Checks everything (hashes, signature, shapes, golden vectors), then reads in place: the bytes must not be changed
 * afterwards.
 * @throws GatewayError that says what is wrong and what to do
 */
export function readArtifact(artifact: Uint8Array, { publicKeys }: ReadOptions = {}): TrainedRouter {
  if (!isContainer(artifact)) refuseForeign(artifact)
  // Before anything else of an unknown file is interpreted.
  const { id, signed } = checkSeal(artifact, containerExtent(artifact).length, publicKeys)
  const { contents: json, arrays } = unpackContainer(artifact)
  try {
    const { contents, golden } = fromHeader(json, arrays)
    const router = createTrainedRouter(contents, id, signed)
    const difference = goldenDifference(
      { features: arrayIn(arrays, 'golden.features'), quality: arrayIn(arrays, 'golden.quality') },
      goldenValues(router, golden),
    )
    if (difference !== undefined) {
      throw refused(
        `${difference}: it was written by a release that reads prompts otherwise; train it again with 'routeiq router train'`,
      )
    }
    return router
  } catch (error) {
    if (error instanceof BrokenPart) throw refused(`its parts do not fit: ${error.message}`)
    throw error
  }
}

function arrayIn(arrays: ReadonlyMap<string, unknown>, name: string): Float32Array {
  const array = arrays.get(name)
  if (!(array instanceof Float32Array)) throw refused(`its section '${name}' is missing`)
  return array
}
