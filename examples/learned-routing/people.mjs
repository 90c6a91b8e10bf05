// People for docs/tutorial-learned-routing.md: they ask, and say whether they liked the answer.
//
//   node people.mjs 2000                         2,000 questions to `auto`
//   node people.mjs 100 --model demo-smart       100 questions to one model
//
// The demo models only repeat what they hear, so nobody can tell which is good at what. `pleases` decides it; it stands
// for your users. A router never sees this table: it sees prompts, models, costs and thumbs.
import { randomUUID } from 'node:crypto'

const pleases = {
  talk: { 'demo-fast': 0.95, 'demo-tools': 0.85, 'demo-smart': 0.7 },
  sums: { 'demo-fast': 0.2, 'demo-tools': 0.95, 'demo-smart': 0.85 },
  proofs: { 'demo-fast': 0.05, 'demo-tools': 0.2, 'demo-smart': 0.9 },
}
const questions = {
  talk: [
    ['Tell me something nice about', 'What do people say about', 'Write a friendly note about', 'Chat with me about'],
    ['my garden', 'the weather', 'a birthday party', 'old songs', 'a day at the sea'],
    ['for a friend', 'in two lines', 'with a smile', 'for my sister', 'as a postcard'],
  ],
  sums: [
    ['Calculate', 'Work out', 'How much is', 'Please add up'],
    ['the tax on', 'a 15 % discount on', 'the interest on', 'one third of', 'the monthly rate of'],
    ['1240 dollars', '36 invoices', '84.50 euros', '7 boxes of 12', 'a loan of 9000'],
  ],
  proofs: [
    ['Prove that', 'Show rigorously that', 'Give a proof that', 'Derive from the axioms that'],
    ['every subgroup of', 'the kernel of', 'each ideal of', 'the closure of', 'every lattice in'],
    [
      'an abelian group is normal',
      'a compact space is closed',
      'a ring is a module',
      'a field is trivial',
      'a sheaf is flat',
    ],
  ],
}

const [count = '600', ...rest] = process.argv.slice(2)
const model = rest[0] === '--model' ? rest[1] : 'auto'
const url = process.env.ROUTEIQ_URL ?? 'http://localhost:4000'
const headers = { authorization: `Bearer ${process.env.PEOPLE_KEY}`, 'content-type': 'application/json' }

/** The same number for the same text, 0..1: people do not change their minds. */
function opinion(text) {
  let hash = 2166136261
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32
}

const pick = list => list[Math.floor(Math.random() * list.length)]

async function askAndJudge() {
  const kind = pick(Object.keys(questions))
  const text = `${questions[kind].map(pick).join(' ')}.`
  // Everybody asks once: every question is a session of its own.
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: text }], litellm_session_id: randomUUID() })
  const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
  const answered = answer.headers.get('x-litellm-model-group')
  const liked = opinion(`${text} ${answered}`) < pleases[kind][answered]
  const feedback = { request_id: answer.headers.get('x-litellm-call-id'), score: liked ? 1 : -1, kind: 'thumbs' }
  const given = await fetch(`${url}/v1/routeiq/feedback`, { method: 'POST', headers, body: JSON.stringify(feedback) })
  if (!given.ok) throw new Error(`${given.status} ${await given.text()}`)
  return { answered, liked, cost: Number(answer.headers.get('x-litellm-response-cost')) }
}

const calls = []
for (let left = Number(count); left > 0; left -= 8) {
  calls.push(...(await Promise.all(Array.from({ length: Math.min(8, left) }, askAndJudge))))
}
const told = (name, some) => {
  const liked = some.filter(call => call.liked).length / some.length
  const cost = some.reduce((sum, call) => sum + call.cost, 0) / some.length
  console.log(
    `${name.padEnd(12)}${String(some.length).padStart(6)} calls${(100 * liked).toFixed(0).padStart(6)} % liked   $${(1000 * cost).toFixed(3)} per 1,000`,
  )
}
for (const name of [...new Set(calls.map(call => call.answered))].sort()) {
  told(
    name,
    calls.filter(call => call.answered === name),
  )
}
told('together', calls)
