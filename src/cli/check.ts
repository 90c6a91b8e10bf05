import { compileSnapshot } from '../pipeline/snapshot.ts'
import { explainConfig } from '../platform/config/explain.ts'
import { ConfigError } from '../platform/config/problem.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { Secrets } from '../platform/secrets/secrets.ts'
import { Secret } from '../platform/security/secret.ts'
import { load } from './config-source.ts'
import { snapshotServices } from './services.ts'

/** Validates a config the way a start would, and explains what it means. @returns the exit code. */
export async function check(file: string, strict: boolean): Promise<number> {
  try {
    const loaded = await load({ path: file, strict, secrets: new Secrets() })
    loaded.secrets?.discard()
    const { warnings } = compileSnapshot(loaded, 1, snapshotServices(new Secret('sk-check'), 'http://127.0.0.1:1'))
    process.stdout.write(explainConfig(loaded, warnings))
    return 0
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    process.stderr.write(`${error instanceof ConfigError ? error.format() : `${file}: ${error.message}`}\n`)
    return 1
  }
}
