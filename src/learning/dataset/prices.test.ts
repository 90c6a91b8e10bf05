import { expect, it } from 'vitest'
import { testFolder, write } from './dataset.fixtures.ts'
import { loadDataset } from './load.ts'

it('prices are found in what calls cost, and what is missing is worked out from them', async () => {
  const folder = testFolder()
  write(
    folder,
    'd.meta.json',
    JSON.stringify({ models: ['fitted', 'listed'], usd_per_mtok_in_out: { listed: [1, 4] } }),
  )
  const rows = Array.from({ length: 50 }, (_, n) => {
    const [input, output] = [10 + 7 * n, 200 - 3 * n]
    const cost = (3 * input + 15 * output) / 1e6
    return {
      text: `t${n}`,
      q: [1, 0],
      in: input,
      ot: [output, n % 2 === 0 ? 100 : null],
      c: [cost, n % 2 === 0 ? null : (input + 400) / 1e6],
    }
  })
  const { models, rows: read } = await loadDataset(write(folder, 'd.jsonl', rows))
  expect(models[0]?.inputPrice).toBeCloseTo(3e-6, 12)
  expect(models[0]?.outputPrice).toBeCloseTo(15e-6, 12)
  expect(models[1]).toEqual({ id: 'listed', inputPrice: 1e-6, outputPrice: 4e-6 })
  for (const row of read) {
    expect(row.cost[1]).toBeCloseTo((row.inputTokens + 400) / 1e6, 12)
    expect(row.outputTokens[1]).toBeCloseTo(100, 6)
  }
})
