import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { catalogue } from './catalogue.ts'

describe('the error catalogue', () => {
  it('is documented row by row, with the right status', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
    const documented = [...page.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, code, status]) => [code, Number(status)])
    expect(documented).toEqual(Object.entries(catalogue).map(([code, entry]) => [code, entry.status]))
  })
})
