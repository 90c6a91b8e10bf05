import { readFileSync } from 'node:fs'
import { readArtifact, signArtifact } from '../../learning/artifact/artifact.ts'
import type { Command } from './command.ts'
import { Misuse, readOptions } from './misuse.ts'
import { readPrivateKey, writeWhole } from './train.ts'

const usage = `routeiq router sign <artifact> --key <file>: sign an artifact

  --key <file>             Ed25519 private key (PEM)
  --out <file>             default: the artifact itself
`

export const signCommand: Command = {
  usage,
  async run(argv, _env, output) {
    const { values, positionals } = readOptions(argv, { key: { type: 'string' }, out: { type: 'string' } })
    const [path, ...rest] = positionals
    if (path === undefined || rest.length > 0) throw new Misuse('give one artifact')
    if (values.key === undefined) throw new Misuse('give --key')
    const key = readPrivateKey(values.key, 'key')
    const bytes = readFileSync(path)
    const { id } = readArtifact(bytes)
    writeWhole(values.out ?? path, signArtifact(bytes, key))
    output.err(`${values.out ?? path}: ${id.slice(0, 12)}, signed\n`)
    return 0
  },
}
