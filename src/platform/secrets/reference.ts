/**
 * What may stand in a config in place of a credential:
 * - `os.environ/NAME`: an environment variable, or the secret of that name in the configured secret manager
 * - `file/run/secrets/name`: the content of a mounted file; the path begins at the root
 * - `oidc/<provider>/<audience>`: a workload identity token, as LiteLLM names them
 */
export type SecretReference =
  | { readonly kind: 'environ'; readonly text: string; readonly name: string }
  | { readonly kind: 'file'; readonly text: string; readonly path: string }
  | {
      readonly kind: 'oidc'
      readonly text: string
      readonly provider: OidcProvider
      readonly audience: string
      /** The token is handed to Entra ID, which gives one for Azure OpenAI: `azure_ad_token: oidc/…`, as in LiteLLM. */
      readonly forEntra: boolean
    }
  | { readonly kind: 'malformed'; readonly text: string; readonly problem: string }

const oidcProviders = ['file', 'env', 'env_path', 'google', 'azure', 'github', 'circleci', 'circleci_v2'] as const

export type OidcProvider = (typeof oidcProviders)[number]

/** Undefined: an ordinary text. Only `os.environ/` is understood everywhere; the others mean something only to keys that hold a credential. */
export function parseReference(text: string, credential: boolean, key = ''): SecretReference | undefined {
  if (text.startsWith('os.environ/')) {
    const name = text.slice('os.environ/'.length).trim()
    return name === ''
      ? { kind: 'malformed', text, problem: '`os.environ/` needs a name' }
      : { kind: 'environ', text, name }
  }
  if (!credential) return undefined
  if (text.startsWith('file/')) {
    const path = fromRoot(text.slice('file/'.length))
    return path === '/'
      ? { kind: 'malformed', text, problem: '`file/` needs a path: file/run/secrets/name' }
      : { kind: 'file', text, path }
  }
  if (!text.startsWith('oidc/')) return undefined
  const rest = text.slice('oidc/'.length)
  const slash = rest.indexOf('/')
  const provider = slash === -1 ? rest : rest.slice(0, slash)
  if (!isOidcProvider(provider)) {
    return { kind: 'malformed', text, problem: `\`oidc/\` knows the providers ${oidcProviders.join(', ')}` }
  }
  const forEntra = key === 'azure_ad_token'
  return {
    kind: 'oidc',
    text: forEntra ? `${text} for Entra ID` : text,
    provider,
    audience: slash === -1 ? '' : rest.slice(slash + 1),
    forEntra,
  }
}

const isOidcProvider = (name: string): name is OidcProvider => (oidcProviders as readonly string[]).includes(name)

/** `run/secrets/a` and `/run/secrets/a` are the same file: people write one slash or two behind the prefix. */
export const fromRoot = (path: string): string => (path.startsWith('/') ? path : `/${path}`)

/** Every reference in a tree, once. Texts that only look like one are harmless: nobody asks for what they lead to. */
export function referencesIn(tree: unknown): SecretReference[] {
  const found = new Map<string, SecretReference>()
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'string') {
      const reference = parseReference(value, true, key)
      if (reference !== undefined) found.set(reference.text, reference)
    } else if (Array.isArray(value)) {
      for (const item of value) walk(item, key)
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, item] of Object.entries(value)) walk(item, name)
    }
  }
  walk(tree, '')
  return [...found.values()]
}
