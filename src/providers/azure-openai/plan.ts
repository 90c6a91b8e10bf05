import { familyOf } from '../openai/model-family.ts'
import { type Plan, planWith } from '../openai/plan.ts'
import type { Target } from '../wire.ts'
import { featuresOf, isUndated } from './api-version.ts'

/** Used where neither the deployment nor AZURE_API_VERSION names one. */
export const defaultApiVersion = '2025-02-01-preview'

const hint = /^(gpt5_series|o_series)\//

export function azurePlan(target: Target): Plan {
  const { capabilities } = target
  const family = familyOf(target.model, target.baseModel, capabilities)
  const deployment = target.model.replace(hint, '')
  const version = target.apiVersion ?? defaultApiVersion
  const features = featuresOf(version)
  // Only the first o-series models cannot stream; a price map that knows better decides.
  const oldOSeries = family.kind === 'o-series' && /^o1/.test(lastPart(target.baseModel ?? deployment))
  const native = capabilities.nativeStreaming ?? !oldOSeries
  return planWith(target, family, {
    model: deployment,
    paths: pathsOf(target.basePath, deployment, version),
    credential: credentialOf(target),
    streamUsage: features.streamOptions,
    fakeStream: !native,
    jsonSchema: features.jsonSchema && capabilities.responseSchema !== false,
    toolChoice: features.toolChoice,
    effortWithTools: !(family.kind === 'gpt5' && family.minor >= 4),
  })
}

const lastPart = (name: string): string => name.slice(name.lastIndexOf('/') + 1)

function credentialOf({ apiKey, bearerToken }: Target): Record<string, string> {
  if (apiKey !== undefined) return { 'api-key': apiKey.reveal() }
  if (bearerToken !== undefined) return { authorization: `Bearer ${bearerToken.reveal()}` }
  return {}
}

const operationPath = /\/(chat\/completions|completions|embeddings)$/

function pathsOf(basePath: string, deployment: string, version: string): Plan['paths'] {
  // A base copied from the portal may name the operation, the deployment, or `/openai` already.
  const base = basePath.replace(operationPath, '')
  let prefix: string
  let query = `?api-version=${encodeURIComponent(version)}`
  if (base.includes('/openai/deployments/')) {
    prefix = base
  } else if (base.endsWith('/openai/v1') || isUndated(version)) {
    prefix = base.endsWith('/openai/v1') ? base : `${base.replace(/\/openai$/, '')}/openai/v1`
    query = version === 'preview' ? '?api-version=preview' : ''
  } else {
    prefix = `${base.replace(/\/openai$/, '')}/openai/deployments/${encodeURIComponent(deployment)}`
  }
  return {
    chat: `${prefix}/chat/completions${query}`,
    completions: `${prefix}/completions${query}`,
    embeddings: `${prefix}/embeddings${query}`,
  }
}
