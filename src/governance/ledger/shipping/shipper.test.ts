import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../platform/clock.ts'
import { newId } from '../../../platform/ids.ts'
import { createLogger } from '../../../platform/telemetry/logger.ts'
import { sealLine } from '../journal/line.ts'
import { encodeRecord } from '../journal/record-line.ts'
import { segmentName } from '../journal/segments.ts'
import { record } from '../ledger.fixtures.ts'
import { Shipper } from './shipper.ts'

it('deletes what is shipped also while there is always more to ship', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'routeiq-shipper-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const instance = newId()
  const names = Array.from({ length: 4 }, (_, number) => segmentName(instance, number))
  for (const name of names) writeFileSync(join(directory, name), sealLine(encodeRecord(record())))

  // The third file is never done: no round of the shipper completes.
  let release = (): void => {}
  const stuck = new Promise<void>(resolve => {
    release = resolve
  })
  const shipped: string[] = []
  const shipper = new Shipper({
    directory,
    instance,
    sink: {
      description: 'a list',
      available: true,
      cursor: () => 0,
      async ship({ segment }) {
        if (segment === names[2]) await stuck
        shipped.push(segment)
        return { fresh: 1, damaged: 0 }
      },
      forget: () => {},
    },
    clock: systemClock,
    log: createLogger({ level: 'silent' }),
    ship: true,
    interval: 20,
    batchSize: 10,
    segmentAge: 300_000,
    onListing: () => {},
    // Longer than a round: each ends after one batch.
    rest: () => 300,
  })
  shipper.start()
  const left = (): string[] => readdirSync(directory).filter(name => name.endsWith('.journal'))
  for (let i = 0; i < 500 && left().length > 2; i++) await pause(20)
  expect(left()).toEqual(names.slice(2))
  expect(shipped).toEqual(names.slice(0, 2))
  release()
  expect(await shipper.flush(10_000)).toBe(true)
  expect(shipped).toEqual(names)
  await shipper.stop(1000)
  expect(left()).toEqual([])
})
