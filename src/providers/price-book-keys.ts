/** Which names a model may have in the price map, and whose entries a vendor may use. */

/** `litellm_provider` words an entry may carry for a vendor id, beyond the id itself and `<id>-…` families. */
const relatedVendors: Readonly<Record<string, readonly string[]>> = {
  openai: ['text-completion-openai'],
  'text-completion-openai': ['openai'],
  azure: ['azure_text'],
  azure_text: ['azure'],
  azure_ai: ['azure', 'openai'],
  anthropic_text: ['anthropic'],
  bedrock: ['bedrock_converse', 'bedrock_mantle'],
  cohere: ['cohere_chat'],
  cohere_chat: ['cohere'],
  codestral: ['text-completion-codestral'],
  'text-completion-codestral': ['codestral'],
  inception: ['text-completion-inception'],
  'text-completion-inception': ['inception'],
}

/** Vendors whose entries are split by product line: `vertex_ai-anthropic_models`, `fireworks_ai-embedding-models`. */
const vendorFamilies = new Set(['vertex_ai', 'fireworks_ai'])

export function sameVendor(vendorId: string, entryVendor: string | undefined): boolean {
  if (entryVendor === undefined) return false
  if (entryVendor === vendorId || relatedVendors[vendorId]?.includes(entryVendor) === true) return true
  return vendorFamilies.has(vendorId) && entryVendor.startsWith(`${vendorId}-`)
}

export interface CandidateName {
  readonly model: string
  /** False: the entry tells what the model can do, but not what it costs. */
  readonly priced: boolean
}

/**
 * Most specific first. Parts are only taken off the end or the front where the vendor's own naming says that they do
 * not change the model: snapshot dates, `-latest`, a region.
 */
export function* keysOfModel(vendorId: string, model: string): Generator<CandidateName> {
  const tuned = fineTuneBase(model)
  if (tuned !== undefined) {
    yield { model, priced: true }
    yield { model: `ft:${tuned}`, priced: true }
    // A fine-tuned model costs more than its base, so the base's price would be wrong.
    yield { model: tuned, priced: false }
    return
  }
  const seen = new Set<string>()
  const names = [model]
  for (const name of names) {
    if (seen.has(name)) continue
    seen.add(name)
    yield { model: name, priced: true }
    for (const shorter of [withoutRegion(vendorId, name), withoutSnapshot(vendorId, name)]) {
      if (shorter !== undefined && shorter !== '') names.push(shorter)
    }
  }
}

/** `ft:gpt-4o-mini-2024-07-18:acme::abc123` → `gpt-4o-mini-2024-07-18`. */
function fineTuneBase(model: string): string | undefined {
  if (!model.startsWith('ft:')) return undefined
  const end = model.indexOf(':', 3)
  return end === -1 ? model.slice(3) : model.slice(3, end)
}

const azureZone = /^(?:eu|us|global|global-standard)\//
const bedrockRoute =
  /^(?:(?:converse|invoke|converse_like)\/)?(?:[a-z]{2}(?:-[a-z]+)+-\d\/)?(?:(?:us|eu|apac|au|jp|global|us-gov)\.)?/

function withoutRegion(vendorId: string, model: string): string | undefined {
  if (vendorId === 'azure') return azureZone.test(model) ? model.replace(azureZone, '') : undefined
  if (vendorId.startsWith('bedrock')) return model.replace(bedrockRoute, '')
  // AI Studio's own spelling of a model's name.
  if (vendorId === 'gemini' && model.startsWith('models/')) return model.slice('models/'.length)
  return undefined
}

/** Vendors that sell a dated snapshot at the price of the undated name. */
const snapshotVendors = new Set(['openai', 'azure', 'azure_ai', 'anthropic', 'gemini', 'vertex_ai', 'bedrock', 'xai'])
const snapshot = /(?:[-@](?:20\d\d-\d\d-\d\d|20\d{6})|-latest|@default|-\d{4})$/
const geminiRevision = /-(?:00\d|preview-\d\d-(?:\d\d|20\d\d))$/

function withoutSnapshot(vendorId: string, model: string): string | undefined {
  if (!snapshotVendors.has(vendorId)) return undefined
  if (vendorId === 'gemini' || vendorId === 'vertex_ai') {
    const stable = model.replace(geminiRevision, '')
    if (stable !== model) return stable
  }
  const undated = model.replace(snapshot, '')
  return undated === model ? undefined : undated
}
