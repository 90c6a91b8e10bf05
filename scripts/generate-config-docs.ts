import { writeFile } from 'node:fs/promises'
import { configJsonSchema } from '../src/platform/config/json-schema.ts'
import { configReference } from '../src/platform/config/reference.ts'

// Run after a change in src/platform/config: node scripts/generate-config-docs.ts
const docs = new URL('../docs/', import.meta.url)
await writeFile(new URL('config.md', docs), configReference())
await writeFile(new URL('config.schema.json', docs), `${JSON.stringify(configJsonSchema(), null, 1)}\n`)
