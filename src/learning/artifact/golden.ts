import type { TrainedRouter } from '../predictor.ts'
import { promptOf } from '../prompt.ts'

/**
 * Made-up prompts of many kinds, stored in each artifact with the vectors and predictions they had when it was written.
 * A release that reads the same words otherwise (another tokeniser, another order of features) finds out at loading, not
 * by routing worse.
 */
export const goldenTexts: readonly string[] = [
  '',
  'Hello!',
  'What is the capital of Australia?',
  'Translate to French: the weather is fine and the trains are late.',
  'Prove that the square root of 2 is irrational.',
  'Solve for x: 3x^2 - 12x + 9 = 0. Show every step.',
  'A shop sells 12 pens for $18. How much do 30 pens cost?',
  'Write a routine that merges two sorted lists.\n\ndef merge(a, b):\n    """Both are sorted."""\n',
  'Why does `SELECT * FROM orders WHERE total = NULL` return nothing?',
  '```ts\nconst sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0)\n```\nAdd a test.',
  `Summarise the following in one sentence:\n\n${'The committee met on Tuesday and agreed to meet again. '.repeat(12)}`,
  'Which planet has the most moons?\nA) Earth\nB) Mars\nC) Saturn\nD) Venus\nAnswer:',
  'Fill in the blank: The cat sat on the _.',
  'Compute $\\int_0^1 x e^{x} \\, dx$ exactly.',
  'Classify the sentiment of this review as positive or negative: "I waited an hour for cold soup."',
  'Write a haiku about autumn rain.',
  'Explain quantum entanglement to a ten-year-old.',
  'Give me a three-day itinerary for Lisbon with a small budget',
  'Is it legal to record a phone call without consent? It depends on the place; explain on what.',
  'Draft a polite e-mail to decline a meeting.',
  'List five pros and five cons of remote work.',
  'Who wrote the novel in which a whale is hunted across the oceans?',
  'Сколько будет семью восемь?',
  '日本の首都はどこですか?',
  '用一句话解释什么是递归。',
  'ما هي عاصمة مصر؟',
  'Quelle est la différence entre « savoir » et « connaître » ?',
  'Wie viele Bundesländer hat Deutschland, und welches ist das größte?',
  '한국의 수도는 어디입니까?',
  'สวัสดีครับ วันนี้อากาศเป็นอย่างไร',
  '🙂🙃🙂',
  '0123456789 '.repeat(40),
  'A'.repeat(3000),
  'word '.repeat(500),
  '{"name": "get_weather", "arguments": {"city": "Oslo", "unit": "celsius"}}',
  'SELECT name, COUNT(*) FROM users GROUP BY name HAVING COUNT(*) > 1;',
  'Refactor: for (let i = 0; i < n; i++) { if (a[i] == b[i]) c.push(a[i]); }',
  'If all bloops are razzies and all razzies are lazzies, are all bloops lazzies?',
  'Three houses stand in a row. The baker does not live in the first. Who lives in the middle?',
  'What happens to the boiling point of water as pressure falls?',
  'Rewrite in a formal tone: hey, gonna be late, sorry!!',
  'Extract the dates as JSON: "Due on 3 May 2021, paid 2021-06-01."',
  'Act as a careful reviewer. Find the security problem: system(request.body)',
  'What is 17 % of 2,340?',
  '你好，请把下面的句子翻译成英文：今天下雨。',
  'Ποια είναι η πρωτεύουσα της Ελλάδας;',
  'Kdo napsal Babičku?',
  'ÀÉÎÕÜ àéîõü ß ẞ ı İ',
  'a_b__c ___ x-y z/w 3.14 1e-9 0xFF',
  '- one\n- two\n  - three\n\n1. four\n2. five',
  '<html><body><p>Why is this paragraph not blue?</p></body></html>',
]

/** So many of them are also predicted by every method; all of them would cost half of the time of loading. */
const predictedTexts = 5

/** Largest difference that rounding may make. */
const tolerance = 1e-3

export interface GoldenValues {
  /** texts × dims */
  readonly features: Float32Array
  /** some of the texts × methods × models */
  readonly quality: Float32Array
}

export function goldenValues(router: TrainedRouter, texts: readonly string[]): GoldenValues {
  const models = router.models.length
  const { dims } = router.featurizer
  const features = new Float32Array(texts.length * dims)
  for (const [index, text] of texts.entries()) {
    router.featurizer.features(promptOf(text), features.subarray(index * dims, (index + 1) * dims))
  }
  // Evenly spread, because texts of one kind stand together.
  const step = Math.max(1, Math.floor(texts.length / predictedTexts))
  const predicted = texts.filter((_, index) => index % step === 0)
  const quality = new Float32Array(router.methods.length * predicted.length * models)
  const prediction = router.prediction()
  let at = 0
  for (const text of predicted) {
    for (const method of router.methods) {
      router.predict(promptOf(text), method, prediction)
      quality.set(prediction.quality, at)
      at += models
    }
  }
  return { features, quality }
}

/** Undefined: all is as it was when the artifact was written. */
export function goldenDifference(expected: GoldenValues, actual: GoldenValues): string | undefined {
  for (const [what, a, b] of [
    ['vectors', expected.features, actual.features],
    ['predictions', expected.quality, actual.quality],
  ] as const) {
    if (a.length !== b.length) return `it holds ${a.length} golden ${what} where ${b.length} were expected`
    for (let at = 0; at < a.length; at++) {
      const gap = Math.abs((a[at] as number) - (b[at] as number))
      if (!(gap <= tolerance)) return `its golden ${what} differ by ${gap.toPrecision(3)}`
    }
  }
  return undefined
}
