import { dirname, isAbsolute, resolve } from 'node:path'
import { type Problem, pathText } from './problem.ts'
import { isYamlMap, type Positions, parseYaml, type YamlMap } from './source.ts'

/** Reads one file as text; rejects like `fs.readFile`. */
export type ReadFile = (path: string) => Promise<string>

const maxDepth = 10
const maxFiles = 100

export interface Sources {
  readonly root: unknown
  readonly problems: Problem[]
  /** Every file read or looked for, the main one first. */
  readonly files: string[]
}

/**
 * Merges the files named under `include:` into the file that names them, depth first. Lists are appended, maps merged,
 * and where both set a value the included file wins, as in LiteLLM; that case is warned about.
 */
export async function gatherIncludes(
  root: unknown,
  file: string,
  read: ReadFile,
  positions: Positions,
  strict: boolean,
): Promise<Sources> {
  const sources: Sources = { root, problems: [], files: [file] }
  if (isYamlMap(root)) await expand(root, [file], sources, read, positions, strict)
  return sources
}

async function expand(
  tree: YamlMap,
  chain: readonly string[],
  sources: Sources,
  read: ReadFile,
  positions: Positions,
  strict: boolean,
): Promise<void> {
  const named = tree['include']
  const list: unknown[] = typeof named === 'string' ? [named] : Array.isArray(named) ? named : []
  const report = (index: number, message: string) => {
    const place = positions.locate(tree, ['include', index], 'value')
    sources.problems.push({
      file: place?.file ?? chain.at(-1) ?? '',
      line: place?.line ?? 1,
      column: place?.column ?? 1,
      path: pathText(['include', index]),
      message,
      severity: 'error',
    })
  }
  for (const [index, entry] of [...list].entries()) {
    if (typeof entry !== 'string' || entry === '') continue
    const parent = chain.at(-1) ?? ''
    const path = isAbsolute(entry) ? entry : resolve(dirname(parent), entry)
    if (chain.some(ancestor => resolve(ancestor) === resolve(path))) {
      report(index, `${entry} includes itself: ${[...chain, path].join(' → ')}`)
      continue
    }
    if (chain.length >= maxDepth || sources.files.length >= maxFiles) {
      report(index, `too many included files (at most ${maxFiles}, nested at most ${maxDepth} deep)`)
      return
    }
    if (!sources.files.includes(path)) sources.files.push(path)
    let text: string
    try {
      text = await read(path)
    } catch (error) {
      report(index, `cannot read ${path}: ${readFailure(error)}`)
      continue
    }
    // Half of an edit in place; one without keys holds a comment.
    if (text.trim() === '') {
      report(index, `${entry} is empty`)
      continue
    }
    const parsed = parseYaml(text, path, positions, strict)
    sources.problems.push(...parsed.problems)
    if (parsed.root === null || parsed.root === undefined) continue
    if (!isYamlMap(parsed.root)) {
      report(index, `${entry} must hold a map of sections`)
      continue
    }
    await expand(parsed.root, [...chain, path], sources, read, positions, strict)
    merge(tree, parsed.root, [], tree, sources.problems, positions)
  }
}

function merge(into: YamlMap, from: YamlMap, path: string[], root: YamlMap, problems: Problem[], positions: Positions) {
  for (const [name, value] of Object.entries(from)) {
    if (path.length === 0 && name === 'include') continue
    const own = Object.hasOwn(into, name) ? into[name] : undefined
    if (Array.isArray(own) && Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        positions.carry(value, index, own, own.length)
        own.push(item)
      }
    } else if (isYamlMap(own) && isYamlMap(value)) {
      merge(own, value, [...path, name], root, problems, positions)
    } else {
      if (own !== undefined && own !== null && own !== value) {
        const first = positions.locate(into, [name], 'key')
        const second = positions.locate(from, [name], 'key')
        if (first && second) {
          const message = `set here and in ${second.file}:${second.line}; the included file wins`
          problems.push({ ...first, path: pathText([...path, name]), message, severity: 'warning' })
        }
      }
      into[name] = value
      positions.carry(from, name, into, name)
    }
  }
}

export function readFailure(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'ENOENT') return 'no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'not permitted to read it'
  if (code === 'EISDIR') return 'it is a directory'
  return typeof code === 'string' ? code : 'it cannot be read'
}
