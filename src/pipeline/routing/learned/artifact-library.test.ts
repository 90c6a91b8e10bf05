import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import { ArtifactLibrary, TrustedKeys } from './artifact-library.ts'

const folder = mkdtempSync(join(tmpdir(), 'library-'))
const path = join(folder, 'a.routeiq')
const trusted = new TrustedKeys([])
let library: ArtifactLibrary | undefined
afterEach(() => {
  library?.close()
  rmSync(folder, { recursive: true, force: true })
})

it('reads a refused file again at every look, though it is the file that the look before saw', async () => {
  writeFileSync(path, 'good')
  let torn = true
  // What the reader saw and what is on disk differ when a file is read while it is replaced.
  library = new ArtifactLibrary(
    bytes => {
      if (torn) throw new Error('cut')
      return { id: String(bytes) } as TrainedRouter
    },
    { onLoaded: () => undefined, onRefused: () => undefined },
  )
  expect(library.open(path, trusted)).toBeUndefined()
  library.follow({ files: new Map([[path, { hotReload: true, interval: 10 }]]), trusted })
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(library.problemOf(path)).toBe('cut')
  torn = false
  await vi.waitFor(() => expect(library?.current(path)?.id).toBe('good'))
  expect(library.problemOf(path)).toBeUndefined()
})
