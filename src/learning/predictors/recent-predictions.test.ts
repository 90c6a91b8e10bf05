import { expect, it } from 'vitest'
import { skilledData } from '../../../test/learning/artifacts.ts'
import { readArtifact } from '../artifact/artifact.ts'
import { plainShape, promptOf } from '../prompt.ts'
import { train } from '../training/train.ts'
import { RecentPredictions } from './recent-predictions.ts'

const { artifact } = await train(skilledData(90), {
  name: 'r',
  methods: ['average'],
  folds: 2,
  components: 8,
  threads: 0,
})
const router = readArtifact(artifact)

it('says of every prompt what the artifact says, whatever came before', () => {
  let asked = 0
  const counting = {
    ...router,
    predict: (...all: Parameters<typeof router.predict>) => {
      asked++
      router.predict(...all)
    },
  }
  const recent = new RecentPredictions(counting)
  const texts = ['Calculate the sum of these numbers', 'Prove the lemma', 'Hello']
  const prompts = texts.flatMap(text => [
    promptOf(text),
    promptOf(text, 'Be brief.'),
    { text, system: '', shape: { ...plainShape, tools: 3 } },
    { text, system: '', shape: { ...plainShape, maxOutputTokens: 5 } },
  ])
  const expected = router.prediction()
  for (let round = 0; round < 200; round++) {
    const prompt = prompts[(round * 7) % 5 === 0 ? (round * 5) % prompts.length : 0]!
    const method = round % 11 === 0 ? 'knn' : 'average'
    router.predict(prompt, method, expected)
    expect(recent.predict(prompt, method)).toEqual(expected)
  }
  expect(asked).toBeLessThan(150)
  const before = asked
  for (let round = 0; round < 5; round++) recent.predict(prompts[0]!, 'average')
  expect(asked - before).toBeLessThanOrEqual(1)
})
