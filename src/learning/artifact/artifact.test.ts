import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { promptOf } from '../prompt.ts'
import { promptOfKind, syntheticDataset } from '../training/synthetic.fixtures.ts'
import { train } from '../training/train.ts'
import { readArtifact, signArtifact } from './artifact.ts'
import { containerExtent, packContainer, unpackContainer } from './container.ts'
import { sealed } from './seal.ts'

const dataset = syntheticDataset({ rows: 120 })
let artifact: Uint8Array

beforeAll(async () => {
  artifact = (await train(dataset, { name: 'test', threads: 0, folds: 2, components: 8, now: () => 1_700_000_000_000 }))
    .artifact
})

describe('an artifact', () => {
  it('holds the router that was trained', () => {
    const router = readArtifact(artifact)
    expect(router.name).toBe('test')
    expect(router.createdAt).toBe(1_700_000_000_000)
    expect(router.datasetHash).toBe(dataset.hash)
    expect(router.signed).toBe(false)
    expect(router.id).toMatch(/^[0-9a-f]{64}$/)
    expect(router.models.map(({ id }) => id)).toEqual(dataset.models.map(({ id }) => id))
    expect(router.meanCost).toBeGreaterThan(0)
    expect(router.featurizer.id).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is read wherever it lies in memory', () => {
    const shifted = new Uint8Array(artifact.length + 3).subarray(3)
    shifted.set(artifact)
    expect(readArtifact(shifted).id).toBe(readArtifact(artifact).id)
  })

  it('reads prompts without sharing state between predictions', () => {
    const router = readArtifact(artifact)
    const one = router.prediction()
    const other = router.prediction()
    router.predict(promptOf(promptOfKind('code', 1)), 'average', one)
    const quality = [...one.quality]
    router.predict(promptOf(promptOfKind('talk', 2)), 'average', other)
    expect([...one.quality]).toEqual(quality)
    router.predict(promptOf(promptOfKind('code', 1)), 'average', other)
    expect([...other.quality]).toEqual(quality)
  })

  it('has no text of a prompt in it', () => {
    const bytes = Buffer.from(artifact).toString('latin1')
    for (const { text } of dataset.rows) {
      expect(bytes).not.toContain(text)
      // Not even a few words in a row.
      expect(bytes).not.toContain(text.split(' ').slice(0, 5).join(' '))
    }
  })
})

describe('a damaged artifact', () => {
  it('is refused whichever byte was changed', () => {
    const step = Math.ceil(artifact.length / 200)
    const places = [
      ...Array(64).keys(),
      ...Array.from({ length: 200 }, (_, index) => index * step),
      ...Array.from({ length: 96 }, (_, index) => artifact.length - 1 - index),
    ]
    for (const place of places) {
      if (place >= artifact.length) continue
      const damaged = Uint8Array.from(artifact)
      damaged[place] = (damaged[place]! ^ 0x01) & 0xff
      expect(() => readArtifact(damaged), `byte ${place}`).toThrow(/artifact refused/)
    }
  })

  it('is refused when cut off or lengthened', () => {
    for (const length of [0, 1, 8, 15, 16, 100, artifact.length >> 1, artifact.length - 1]) {
      expect(() => readArtifact(artifact.subarray(0, length))).toThrow(/artifact refused/)
    }
    expect(() => readArtifact(Buffer.concat([artifact, Buffer.from('x')]))).toThrow(/behind its end/)
  })

  it('is refused, by the name of the section, when only that was exchanged', () => {
    const { length, start } = containerExtent(artifact)
    const container = Uint8Array.from(artifact.subarray(0, length))
    container[start + 5] = container[start + 5]! ^ 1
    expect(() => readArtifact(sealed(container))).toThrow(/section 'features\/idf' is corrupt/)
  })

  it('is refused when its parts do not fit together', () => {
    const { contents, arrays } = unpackContainer(artifact.subarray())
    const pack = (
      change: (map: Map<string, typeof arrays extends ReadonlyMap<string, infer T> ? T : never>) => void,
    ): Uint8Array => {
      const changed = new Map(arrays)
      change(changed)
      return sealed(packContainer(contents, changed))
    }
    expect(readArtifact(pack(() => {})).id).toBe(readArtifact(artifact).id)
    expect(() => readArtifact(pack(map => map.delete('ridge/weights')))).toThrow(/'weights' is missing/)
    expect(() => readArtifact(pack(map => map.set('ridge/weights', new Float32Array(3))))).toThrow(/3 entries/)
    expect(() =>
      readArtifact(pack(map => map.set('trees/next', new Uint16Array(arrays.get('trees/next')!.length)))),
    ).toThrow(/leads nowhere/)
    expect(() => readArtifact(pack(map => map.set('neighbours/starts', Uint32Array.of(0, 5))))).toThrow(
      /'starts' ends at 5/,
    )
  })

  it('is refused when this release reads words otherwise than the one that wrote it', () => {
    const { contents, arrays } = unpackContainer(artifact.subarray())
    const other = new Map(arrays)
    const features = Float32Array.from(arrays.get('golden.features')!)
    features[20] = features[20]! + 0.002
    other.set('golden.features', features)
    expect(() => readArtifact(sealed(packContainer(contents, other)))).toThrow(
      /golden vectors differ by 0.00200.*train it again/,
    )
  })

  it('is refused when of another format version, with what to do', () => {
    const { contents, arrays } = unpackContainer(artifact.subarray())
    const next = { ...(contents as object), schemaVersion: 99 }
    expect(() => readArtifact(sealed(packContainer(next, arrays)))).toThrow(/format 99.*upgrade the gateway/)
  })
})

describe('a signature', () => {
  const ours = generateKeyPairSync('ed25519')
  const theirs = generateKeyPairSync('ed25519')

  it('is asked for once public keys are configured', () => {
    expect(() => readArtifact(artifact, { publicKeys: [ours.publicKey] })).toThrow(/not signed/)
    expect(readArtifact(artifact, { publicKeys: [] }).signed).toBe(false)
  })

  it('lets the artifact in that one of the keys has signed', () => {
    const signed = signArtifact(artifact, ours.privateKey)
    const router = readArtifact(signed, { publicKeys: [theirs.publicKey, ours.publicKey] })
    expect(router.signed).toBe(true)
    expect(router.id).toBe(readArtifact(artifact).id)
    expect(readArtifact(signArtifact(signed, theirs.privateKey), { publicKeys: [theirs.publicKey] }).signed).toBe(true)
  })

  it('of another key, or of another artifact, is refused', () => {
    const signed = signArtifact(artifact, theirs.privateKey)
    expect(() => readArtifact(signed, { publicKeys: [ours.publicKey] })).toThrow(/none of the configured/)
    const { length } = containerExtent(artifact)
    const { contents, arrays } = unpackContainer(artifact.subarray())
    const changed = packContainer({ ...(contents as object), name: 'evil' }, arrays)
    const moved = sealed(changed, signArtifact(artifact, ours.privateKey).subarray(length, length + 64))
    expect(readArtifact(moved).name).toBe('evil')
    expect(() => readArtifact(moved, { publicKeys: [ours.publicKey] })).toThrow(/none of the configured/)
  })

  it('is refused when damaged, keys or no keys', () => {
    const signed = Buffer.from(signArtifact(artifact, ours.privateKey))
    const { length } = containerExtent(artifact)
    signed[length + 10] = signed[length + 10]! ^ 1
    expect(() => readArtifact(signed)).toThrow(/corrupt/)
  })

  it('is made with Ed25519 keys only', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(() => signArtifact(artifact, privateKey)).toThrow(/Ed25519/)
  })
})

describe("another program's model", () => {
  it.each([
    [
      'pickle, protocol 4',
      Buffer.from('\x80\x04\x95abc', 'latin1'),
      /Python pickle, which can run code.*routeiq router train/,
    ],
    ['pickle, protocol 0', Buffer.from('csklearn.neighbors\nKNeighborsClassifier\n', 'latin1'), /Python pickle/],
    ['torch', Buffer.from('PK\x03\x04archive/data.pkl', 'latin1'), /PyTorch.*routeiq router train/],
    ['numpy', Buffer.from('\x93NUMPY\x01\x00', 'latin1'), /NumPy array/],
    ['safetensors', Buffer.from('\x10\0\0\0\0\0\0\0{"a":{}}', 'latin1'), /safetensors/],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), /gzip/],
    ['nothing known', Buffer.from('hello'), /does not begin as an artifact/],
  ])('is refused by name: %s', (_name, bytes, message) => {
    expect(() => readArtifact(bytes)).toThrow(message)
  })
})
