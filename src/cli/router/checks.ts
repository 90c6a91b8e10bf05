import { readFileSync } from 'node:fs'
import type { Answer, Expectation } from '../../learning/labels/answer.ts'
import { type Check, jsonSchemaCheck, namedChecks, regexCheck } from '../../learning/labels/checks.ts'
import type { Label } from '../../learning/labels/label.ts'
import { Misuse } from './misuse.ts'

export const checkUsage = `Checks:
  exact, contains, number, f1, choice    against the reference answer of the prompt
  regex:<pattern>                        the answer matches
  json, json-schema:<file>               the answer is JSON (of a schema); necessary, not enough
  tool-call                              tools called were offered, and arguments fit; necessary, not enough
  not-empty, not-truncated               necessary, not enough
`

/** @returns undefined without checks @throws Misuse for a check that is not known */
export function checkLabels(
  specs: readonly string[],
): ((answer: Answer, expected: Expectation) => Label[]) | undefined {
  if (specs.length === 0) return undefined
  const checks = specs.map(checkOf)
  return (answer, expected) =>
    checks.flatMap(check => {
      const label = check(answer, expected)
      return label === undefined ? [] : [label]
    })
}

function checkOf(spec: string): Check {
  const named = namedChecks[spec]
  if (named !== undefined) return named
  const [kind, rest] = [spec.slice(0, spec.indexOf(':')), spec.slice(spec.indexOf(':') + 1)]
  try {
    if (kind === 'regex') return regexCheck(rest)
    if (kind === 'json-schema') return jsonSchemaCheck(JSON.parse(readFileSync(rest, 'utf8')))
  } catch (error) {
    throw new Misuse(`--check ${spec}: ${error instanceof Error ? error.message : 'cannot be read'}`)
  }
  throw new Misuse(
    `--check ${spec}: known are ${Object.keys(namedChecks).join(', ')}, regex:<pattern>, json-schema:<file>`,
  )
}
