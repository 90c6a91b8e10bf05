import type { OutboundInit, OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, type SecretBackend, SecretUnavailable } from '../backend.ts'
import { callFor, jsonOf, type SecretServices, setting, textField } from '../call.ts'
import { azureToken } from '../tokens/azure-token.ts'

const what = 'azure_key_vault'
const apiVersion = '7.4'

/** Azure Key Vault, the latest version of a secret. https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret */
export function azureKeyVault(services: SecretServices): SecretBackend {
  const uri = setting(services.env, 'AZURE_KEY_VAULT_URI')
  if (uri === undefined || !URL.canParse(uri)) {
    throw new SecretUnavailable(
      `${what}: set AZURE_KEY_VAULT_URI to https://<vault>.vault.azure.net in the environment.`,
    )
  }
  const base = uri.replace(/\/+$/, '')
  const token = azureToken(scopeOf(new URL(uri)), services)
  const call = async (name: string, init: OutboundInit = {}): Promise<OutboundResponse> => {
    const response = await callFor(what, services, `${base}/secrets/${secretName(name)}?api-version=${apiVersion}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${await token.get()}` },
    })
    if (response.status === 401) token.forget()
    return response
  }
  const failed = (doing: string, { status }: OutboundResponse) =>
    new SecretUnavailable(`${what}: ${doing}: ${refusedWith(status)}.`)

  return {
    system: what,
    async read(name) {
      const response = await call(name)
      if (response.status === 404) return undefined
      if (response.status !== 200) throw failed(name, response)
      const text = textField(jsonOf(what, response), 'value')
      return text === undefined ? undefined : { text }
    },
    async write(name, value, note) {
      const body = JSON.stringify({ value, ...(note?.tags === undefined ? {} : { tags: note.tags }) })
      const response = await call(name, { method: 'PUT', headers: { 'content-type': 'application/json' }, body })
      if (response.status !== 200) throw failed(`writing ${name}`, response)
    },
    async remove(name) {
      const response = await call(name, { method: 'DELETE' })
      if (response.status !== 200 && response.status !== 404) throw failed(`removing ${name}`, response)
    },
  }
}

/** Key Vault knows letters, digits and `-` only: `AZURE_API_KEY` is looked up as `AZURE-API-KEY`. */
const secretName = (name: string): string => name.replace(/[^0-9A-Za-z-]/g, '-').slice(0, 127)

/** `https://vault.azure.net/.default`, and its like in the other clouds (`vault.azure.cn`). */
function scopeOf(vault: URL): string {
  const [, ...domain] = vault.hostname.split('.')
  const known = domain[0] === 'vault' && /^(azure\.net|azure\.cn|usgovcloudapi\.net)$/.test(domain.slice(1).join('.'))
  return `https://${known ? domain.join('.') : 'vault.azure.net'}/.default`
}
