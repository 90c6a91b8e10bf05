import { type KeyObject, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signArtifact } from '../../src/learning/artifact/artifact.ts'
import type { Dataset, Row } from '../../src/learning/dataset.ts'
import { type Method, methods } from '../../src/learning/predictor.ts'
import { train } from '../../src/learning/training/train.ts'
import { seededRandom } from '../../src/pipeline/routing/routing.fixtures.ts'

/** Three models of a pool: what they cost, and what they can. */
export const pool = [
  { id: 'small', input: 1e-7, output: 4e-7 },
  { id: 'medium', input: 5e-7, output: 2e-6 },
  { id: 'large', input: 3e-6, output: 1.5e-5 },
] as const

/** Prompts of three kinds: everybody can chat, medium and large can calculate, only large can prove. */
const kinds = [
  {
    skills: [0.95, 0.95, 0.95],
    words: ['weather', 'greeting', 'recipe', 'holiday', 'colour', 'birthday', 'breakfast', 'garden', 'music', 'dog'],
    frame: (a: string, b: string) => `Please chat with me about the ${a} and the ${b} of today`,
  },
  {
    skills: [0.2, 0.9, 0.92],
    words: ['sum', 'product', 'fraction', 'percentage', 'invoice', 'discount', 'ratio', 'average', 'interest', 'tax'],
    frame: (a: string, b: string) => `Calculate the ${a} of these numbers and then the ${b}`,
  },
  {
    skills: [0.05, 0.25, 0.9],
    words: ['theorem', 'lemma', 'manifold', 'topology', 'functor', 'homology', 'ideal', 'lattice', 'kernel', 'sheaf'],
    frame: (a: string, b: string) => `Prove rigorously the ${a} for every ${b} of the space`,
  },
] as const

export const prompts = {
  chat: 'Please chat with me about the recipe and the garden of today, holiday 30',
  calculate: 'Calculate the discount of these numbers and then the ratio, tax 31',
  prove: 'Prove rigorously the theorem for every lattice of the space, sheaf 32',
}

/** @param skills quality by kind and model; default: as above */
export function skilledData(rows = 240, skills?: readonly (readonly number[])[]): Dataset {
  const random = seededRandom(7)
  const made: Row[] = []
  for (let i = 0; i < rows; i++) {
    const kind = kinds[i % 3] as (typeof kinds)[number]
    const means = skills?.[i % 3] ?? kind.skills
    const word = (): string => kind.words[Math.floor(random() * kind.words.length)] as string
    made.push({
      id: `row-${i}`,
      text: `${kind.frame(word(), word())}, ${word()} ${i}`,
      group: `g${i}`,
      quality: Float64Array.from(means, mean => (random() < mean ? 1 : 0)),
      cost: Float64Array.from(pool, ({ input, output }) => 20 * input + 100 * output),
      inputTokens: 20,
      outputTokens: Float64Array.from([100, 100, 100]),
      latency: Float64Array.from([300, 600, 1500]),
    })
  }
  return {
    name: 'three skills',
    models: pool.map(({ id, input, output }) => ({ id, inputPrice: input, outputPrice: output })),
    rows: made,
    hash: 'a'.repeat(64),
  }
}

export async function trainedArtifact(options: {
  readonly methods?: readonly Method[]
  readonly skills?: readonly (readonly number[])[]
  readonly name?: string
}): Promise<Uint8Array> {
  const result = await train(skilledData(240, options.skills), {
    name: options.name ?? 'three-skills',
    methods: options.methods ?? ['average', 'ridge', 'knn', 'tables'],
    folds: 2,
    components: 16,
    threads: 0,
    now: () => 1_700_000_000_000,
  })
  return result.artifact
}

export const everyMethod: readonly Method[] = methods

export const signed = (artifact: Uint8Array, key: KeyObject): Uint8Array => signArtifact(artifact, key)

/** A folder of its own, with files that come and go. */
export interface Shelf {
  put(name: string, bytes: Uint8Array | string): string
  remove(): void
}

export function shelf(): Shelf {
  const folder = mkdtempSync(join(tmpdir(), `routeiq-artifacts-${randomBytes(3).toString('hex')}-`))
  return {
    put(name, bytes) {
      const path = join(folder, name)
      writeFileSync(path, bytes)
      return path
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
