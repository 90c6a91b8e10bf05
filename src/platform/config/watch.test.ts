import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ConfigWatch, watchConfig } from './watch.ts'

let folder: string
let watching: ConfigWatch | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watch-'))
})
afterEach(async () => {
  watching?.close()
  await rm(folder, { recursive: true })
})

/** Polling is off (an hour) so that events alone must do it, unless a test says otherwise. */
async function start(files: string[], pollMs = 3_600_000) {
  const onChange = vi.fn()
  watching = watchConfig(files, onChange, { debounceMs: 5, pollMs })
  await watching.ready
  expect(onChange).not.toHaveBeenCalled()
  return onChange
}
const times = (onChange: ReturnType<typeof vi.fn>, count: number) =>
  vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(count), { timeout: 5000, interval: 5 })

describe('watchConfig', () => {
  it('sees writes in place and by rename, and nothing where the content stays', async () => {
    const file = join(folder, 'config.yaml')
    await writeFile(file, 'a')
    const onChange = await start([file])
    await writeFile(file, 'b')
    await times(onChange, 1)
    await writeFile(`${file}.tmp`, 'c')
    await rename(`${file}.tmp`, file)
    await times(onChange, 2)
    await writeFile(join(folder, 'other'), 'x')
    await writeFile(file, 'c')
    await writeFile(file, 'd')
    await times(onChange, 3)
  })
  it('sees a Kubernetes symlink swap', async () => {
    for (const version of ['v1', 'v2']) {
      await mkdir(join(folder, version))
      await writeFile(join(folder, version, 'config.yaml'), version)
    }
    await symlink('v1', join(folder, '..data'))
    await symlink('..data/config.yaml', join(folder, 'config.yaml'))
    const onChange = await start([join(folder, 'config.yaml')])
    await symlink('v2', join(folder, '..tmp'))
    await rename(join(folder, '..tmp'), join(folder, '..data'))
    await times(onChange, 1)
  })
  it('sees removal and return, and other files after replace()', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')]
    await writeFile(one, '1')
    await writeFile(two, '2')
    const onChange = await start([one])
    await rm(one)
    await times(onChange, 1)
    await writeFile(one, '1')
    await times(onChange, 2)
    watching?.replace([one, two])
    // The first look after replace() sets the baseline: change only once it is known to differ.
    await vi.waitFor(
      async () => {
        await writeFile(two, String(Math.random()))
        expect(onChange.mock.calls.length).toBeGreaterThan(2)
      },
      { timeout: 5000, interval: 30 },
    )
  })
  it('polls where no event comes, and stops when closed', async () => {
    const target = await mkdtemp(join(tmpdir(), 'target-'))
    await writeFile(join(target, 'real'), '1')
    // A change behind a symlink into another directory raises no event in the watched one.
    await symlink(join(target, 'real'), join(folder, 'config.yaml'))
    const onChange = await start([join(folder, 'config.yaml')], 10)
    await writeFile(join(target, 'real'), '2')
    await times(onChange, 1)
    watching?.close()
    await writeFile(join(target, 'real'), '3')
    await new Promise(done => setTimeout(done, 60))
    expect(onChange).toHaveBeenCalledTimes(1)
    await rm(target, { recursive: true })
  })
})
