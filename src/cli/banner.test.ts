import { describe, expect, it } from 'vitest'
import { compileSnapshot } from '../pipeline/snapshot.ts'
import { parseConfig } from '../platform/config/load.ts'
import { Secret } from '../platform/security/secret.ts'
import { banner } from './banner.ts'
import { snapshotServices } from './services.ts'

const services = snapshotServices(new Secret('sk-x'), 'http://127.0.0.1:1')
const entry = (name: string) =>
  `- { model_name: "${name}", litellm_params: { model: ${name.includes('*') ? 'openai/*' : 'demo/fast'} } }\n`
const snapshotOf = (...names: string[]) =>
  compileSnapshot(parseConfig(`model_list:\n${names.map(name => `  ${entry(name)}`).join('')}`), 1, services)
const facts = { url: 'http://localhost:4000', generatedKey: undefined, workers: 1, demo: false }

describe('banner', () => {
  it('shows a generated key once as such and in the call to try', () => {
    const text = banner({ ...facts, snapshot: snapshotOf('a'), generatedKey: 'sk-made' })
    expect(text).toContain('RouteIQ Gateway')
    expect(text).toContain('listening on http://localhost:4000')
    expect(text).toContain("-H 'Authorization: Bearer sk-made'")
    expect(text).toContain('generated for this run')
    expect(text).not.toMatch(/workers|built-in demo/)
  })

  it('lets the shell put a configured key in', () => {
    const text = banner({ ...facts, snapshot: snapshotOf('a'), workers: 4, demo: true })
    expect(text).toContain('-H "Authorization: Bearer $LITELLM_MASTER_KEY"')
    expect(text).toMatch(/workers +4/)
    expect(text).toContain('built-in demo')
  })

  it('tries a model that has a name, and does not list hundreds', () => {
    const many = snapshotOf('any/*', ...Array.from({ length: 12 }, (_, at) => `m${at}`))
    const text = banner({ ...facts, snapshot: many })
    expect(text).toContain('"model":"m0"')
    expect(text).toMatch(/… \(\d+\)/)
    expect(text).not.toContain('m9,')
  })
})
