/** Editing a body's text against serialising it again: `node bench/json-splice.ts` prints times and their ratio. */
import { spliceTopLevel } from '../src/translate/json-splice.ts'

const text = (repeat: number) => 'word "quoted" '.repeat(repeat)
const bodies: Record<string, [body: Record<string, unknown>, rounds: number]> = {
  '1 KB chat': [
    { model: 'a', messages: [{ role: 'user', content: text(50) }], temperature: 0.7, stream: true, user: 'abc' },
    100_000,
  ],
  '5 MB, one image': [
    {
      model: 'a',
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'A'.repeat(5e6) } }] }],
      stream: true,
    },
    50,
  ],
  '5 MB, 40,000 messages': [
    { model: 'a', messages: Array.from({ length: 40_000 }, (_, i) => ({ role: 'user', content: `${i} ${text(6)}` })) },
    20,
  ],
}

function microseconds(rounds: number, run: () => number): number {
  let checksum = 0
  for (let i = 0; i < rounds / 10; i++) checksum += run()
  const start = performance.now()
  for (let i = 0; i < rounds; i++) checksum += run()
  if (checksum === 0) throw new Error('nothing was produced')
  return ((performance.now() - start) * 1000) / rounds
}

for (const [name, [body, rounds]] of Object.entries(bodies)) {
  const source = JSON.stringify(body)
  const set = { model: '"gpt-4o-2024-11-20"', stream_options: '{"include_usage":true}' }
  const splice = microseconds(rounds, () => spliceTopLevel(source, set).length)
  const stringify = microseconds(rounds, () => {
    body['model'] = 'gpt-4o-2024-11-20'
    return JSON.stringify(body).length
  })
  console.log(
    `${name}: splice ${splice.toFixed(1)} µs, stringify ${stringify.toFixed(1)} µs, ratio ${(splice / stringify).toFixed(3)}`,
  )
}
