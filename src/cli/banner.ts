import type { Snapshot } from '../pipeline/snapshot.ts'
import { version } from '../platform/version.ts'

export interface BannerFacts {
  readonly url: string
  readonly snapshot: Snapshot
  /** Set when the key was made at start: shown once, here. */
  readonly generatedKey: string | undefined
  readonly workers: number
  readonly demo: boolean
}

/** What a person sees who started the gateway: where it is, with which key, and a call to try. */
export function banner({ url, snapshot, generatedKey, workers, demo }: BannerFacts): string {
  const names = snapshot.router.index.publicNames()
  const key = generatedKey ?? '$LITELLM_MASTER_KEY'
  const model = names.find(name => !name.includes('*')) ?? 'MODEL'
  const lines = [
    `RouteIQ Gateway ${version} listening on ${url}`,
    '',
    `  models       ${names.slice(0, 8).join(', ')}${names.length > 8 ? `, … (${names.length})` : ''}`,
    ...(workers > 1 ? [`  workers      ${workers}`] : []),
    ...(demo ? ['  config       none: built-in demo models. `routeiq init` writes a config to start from.'] : []),
    generatedKey === undefined
      ? '  master key   as configured'
      : `  master key   ${generatedKey}   (generated for this run; set LITELLM_MASTER_KEY to keep one)`,
    '',
    'Try:',
    `  curl ${url}/v1/chat/completions \\`,
    `    -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' \\`,
    `    -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}],"stream":true}'`,
    '',
    '',
  ]
  // Double quotes let the shell put in the variable.
  return lines
    .join('\n')
    .replace("'Authorization: Bearer $LITELLM_MASTER_KEY'", '"Authorization: Bearer $LITELLM_MASTER_KEY"')
}
