import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../harness/gateway.ts'

/** Runs `routeiq …` as a process of its own, as a person would. */
export function routeiq(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
      cwd: root,
      env: { ...process.env, ...env },
    })
    let [out, err] = ['', '']
    child.stdout.on('data', chunk => {
      out += chunk
    })
    child.stderr.on('data', chunk => {
      err += chunk
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code, out, err }))
  })
}

const subjects = {
  sums: ['integral', 'matrix', 'prime', 'equation', 'angle', 'fraction', 'vector', 'theorem'],
  songs: ['melody', 'verse', 'rhyme', 'chorus', 'ballad', 'lyric', 'poem', 'stanza'],
} as const
const fillers = [
  'small',
  'green',
  'old',
  'quick',
  'heavy',
  'bright',
  'plain',
  'foreign',
  'open',
  'distant',
  'early',
  'quiet',
]

/** A small stream of dice: the same rows in every run. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

export interface SyntheticOptions {
  readonly from?: number
  readonly rows: number
  /** Whether the words of a prompt say which model is good at it. */
  readonly learnable?: boolean
}

/** Models and their prices, US dollars per million tokens. */
export const pool = { strong: [10, 30], sums: [1, 2], songs: [1, 2] } as const

/** Prompts of two kinds for a dear model that is good at both and two cheap ones that are good at one each. */
export function syntheticRows({ from = 0, rows, learnable = true }: SyntheticOptions): object[] {
  return Array.from({ length: rows }, (_, index) => {
    const n = from + index
    const roll = dice(n * 7919 + 17)
    roll()
    const pick = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)]!
    const kind = roll() < 0.5 ? 'sums' : 'songs'
    const words = subjects[learnable ? kind : pick(['sums', 'songs'] as const)]
    const text = `Item ${n.toString(36)}: ${pick(fillers)} ${pick(words)} and ${pick(fillers)} ${pick(words)}, ${pick(fillers)} ${pick(words)} (${pick(fillers)} ${pick(fillers)})`
    const right = { strong: 0.9, sums: kind === 'sums' ? 0.92 : 0.2, songs: kind === 'songs' ? 0.92 : 0.2 }
    const [tokens, output] = [20, 100]
    return {
      id: `r${n}`,
      task: kind,
      text,
      q: Object.values(right).map(chance => (roll() < chance ? 1 : 0)),
      c: Object.values(pool).map(([input, out]) => (input * tokens + out * output) / 1e6),
      in: tokens,
    }
  })
}

/** `<name>.jsonl` and `<name>.meta.json`. @returns path of the data */
export function writeRoutingData(folder: string, name: string, rows: readonly object[], meta = true): string {
  const path = join(folder, `${name}.jsonl`)
  writeFileSync(path, `${rows.map(row => JSON.stringify(row)).join('\n')}\n`)
  if (meta)
    writeFileSync(
      join(folder, `${name}.meta.json`),
      JSON.stringify({ name, models: Object.keys(pool), usd_per_mtok_in_out: pool }),
    )
  return path
}
