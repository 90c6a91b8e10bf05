import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml'
import type { Path, Problem } from './problem.ts'

interface SourceFile {
  readonly name: string
  readonly lines: LineCounter
}

interface Place {
  readonly source: SourceFile
  readonly offset: number
}

export type YamlMap = { [key: string]: unknown }

/** Where each value of a parsed config came from; survives merging of several files. */
export class Positions {
  readonly #own = new WeakMap<object, Place>()
  readonly #keys = new WeakMap<object, Map<string | number, Place>>()
  readonly #values = new WeakMap<object, Map<string | number, Place>>()

  setOwn(container: object, place: Place): void {
    this.#own.set(container, place)
  }

  set(container: object, name: string | number, keyPlace: Place, valuePlace: Place): void {
    put(this.#keys, container, name, keyPlace)
    put(this.#values, container, name, valuePlace)
  }

  /** Copies the place of one entry, for merging. */
  carry(from: object, name: string | number, to: object, as: string | number): void {
    const keyPlace = this.#keys.get(from)?.get(name)
    const valuePlace = this.#values.get(from)?.get(name)
    if (keyPlace && valuePlace) this.set(to, as, keyPlace, valuePlace)
  }

  /** The place of `path` under `root`: of its key or its value; of the deepest existing container where there is none. */
  locate(root: unknown, path: Path, want: 'key' | 'value'): { file: string; line: number; column: number } | undefined {
    let container: unknown = root
    let place = isContainer(root) ? this.#own.get(root) : undefined
    for (const [index, part] of path.entries()) {
      if (!isContainer(container)) break
      const last = index === path.length - 1
      const entry = (last && want === 'key' ? this.#keys : this.#values).get(container)?.get(part)
      if (!entry) break
      place = entry
      container = (container as YamlMap)[part]
    }
    if (!place) return undefined
    const { line, col } = place.source.lines.linePos(place.offset)
    return { file: place.source.name, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}

function put<V>(maps: WeakMap<object, Map<string | number, V>>, container: object, name: string | number, value: V) {
  let map = maps.get(container)
  if (!map) {
    map = new Map()
    maps.set(container, map)
  }
  map.set(name, value)
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

export function isYamlMap(value: unknown): value is YamlMap {
  return isContainer(value) && !Array.isArray(value)
}

/** Aliases can multiply a small file into a huge tree, and point at themselves. */
const maxNodes = 200_000
const maxDepth = 100

export interface ParsedYaml {
  readonly root: unknown
  readonly problems: readonly Problem[]
}

/** YAML 1.2 (plus `<<` merge keys) to plain values, noting where each came from. Never throws. */
export function parseYaml(text: string, file: string, positions: Positions, strict: boolean): ParsedYaml {
  const lines = new LineCounter()
  const source: SourceFile = { name: file, lines }
  const problems: Problem[] = []
  const report = (offset: number, message: string, severity: Problem['severity'] = 'error') => {
    const { line, col } = lines.linePos(offset)
    problems.push({ file, line: Math.max(line, 1), column: Math.max(col, 1), path: '', message, severity })
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, uniqueKeys: false })
  for (const error of document.errors) report(error.pos[0], `not valid YAML: ${error.message}`)
  for (const warning of document.warnings) report(warning.pos[0], warning.message, 'warning')
  if (problems.some(problem => problem.severity === 'error')) return { root: undefined, problems }

  let nodes = 0
  let overflow = false
  // Kept here because the library's own look-up walks the document for every alias.
  const anchors = new Map<string, Node>()
  let expanding = 0

  const offsetOf = (node: unknown, otherwise: number): number => {
    const range = (node as Node | null | undefined)?.range
    return range ? range[0] : otherwise
  }

  /** An anchor holds from its place on until it is set again; what an alias repeats sets nothing. */
  const remember = (node: unknown) => {
    const anchor = expanding === 0 ? (node as { anchor?: string } | null | undefined)?.anchor : undefined
    if (anchor !== undefined) anchors.set(anchor, node as Node)
  }

  const anchorOf = (name: string, offset: number): Node | undefined => {
    const node = anchors.get(name)
    if (!node) report(offset, `there is no anchor &${name.slice(0, 80)} above`)
    return node
  }

  const convert = (node: unknown, offset: number, depth: number): unknown => {
    nodes++
    if (overflow) return null
    if (depth > maxDepth || nodes > maxNodes) {
      overflow = true
      report(offset, 'nested too deeply or too large; does an alias contain itself?')
      return null
    }
    if (isAlias(node)) {
      const target = anchorOf(node.source, offset)
      expanding++
      const value = convert(target, offset, depth + 1)
      expanding--
      return value
    }
    remember(node)
    if (isMap(node)) {
      const result: YamlMap = {}
      positions.setOwn(result, { source, offset: offsetOf(node, offset) })
      fill(node.items, result, offset, depth)
      return result
    }
    if (isSeq(node)) {
      const result: unknown[] = []
      positions.setOwn(result, { source, offset: offsetOf(node, offset) })
      for (const [index, item] of node.items.entries()) {
        const at = offsetOf(item, offset)
        positions.set(result, index, { source, offset: at }, { source, offset: at })
        result.push(convert(item, at, depth + 1))
      }
      return result
    }
    if (!isScalar(node)) return null
    const value: unknown = node.value
    // Timestamps and binaries do not exist in the core schema; an explicit tag may still make one.
    return isContainer(value) || typeof value === 'bigint' ? String(node.source ?? '') : value
  }

  const fill = (items: readonly { key: unknown; value: unknown }[], into: YamlMap, offset: number, depth: number) => {
    const seen = new Set<string>()
    for (const pair of items) {
      const at = offsetOf(pair.key, offset)
      remember(pair.key)
      const keyNode = isAlias(pair.key) ? anchorOf(pair.key.source, at) : pair.key
      if (!isScalar(keyNode) && keyNode != null) {
        report(at, 'a key must be plain text')
        continue
      }
      // A merge key's value is a symbol, so that the quoted key "<<" stays an ordinary one.
      if (isScalar(keyNode) && typeof keyNode.value === 'symbol') {
        merge(pair.value, into, at, depth)
        continue
      }
      const name = keyNode == null ? '' : String(keyNode.value ?? '')
      if (name === '__proto__') {
        report(at, '`__proto__` cannot be a key')
        continue
      }
      if (seen.has(name)) {
        const severity = strict ? 'error' : 'warning'
        report(at, `the key ${JSON.stringify(name.slice(0, 80))} stands twice in this map`, severity)
      }
      seen.add(name)
      const valueAt = offsetOf(pair.value, at)
      positions.set(into, name, { source, offset: at }, { source, offset: valueAt })
      into[name] = convert(pair.value as ParsedNode, valueAt, depth + 1)
    }
  }

  /** `<<`: keys of the map itself win, and of several merged maps the earlier one. */
  const merge = (value: unknown, into: YamlMap, offset: number, depth: number) => {
    const merged = convert(value, offset, depth + 1)
    const sources = Array.isArray(merged) ? merged : [merged]
    for (const from of sources) {
      if (!isYamlMap(from)) {
        report(offset, '`<<` needs a map or a list of maps')
        continue
      }
      for (const [name, inherited] of Object.entries(from)) {
        if (Object.hasOwn(into, name)) continue
        into[name] = inherited
        positions.carry(from, name, into, name)
      }
    }
  }

  try {
    return { root: convert(document.contents, 0, 0), problems }
  } catch (error) {
    report(0, `not usable as YAML: ${error instanceof Error ? error.message : 'unknown error'}`)
    return { root: undefined, problems }
  }
}
