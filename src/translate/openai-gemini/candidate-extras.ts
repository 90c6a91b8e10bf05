import { type GeminiCandidate, type GeminiGrounding, isRecord } from './gemini-types.ts'

/** What a candidate says beside its content: raw, under the field's snake-case names. */
export interface CandidateExtras {
  grounding: GeminiGrounding | undefined
  fields: Record<string, unknown>
}

const kept = [
  ['urlContextMetadata', 'url_context_metadata'],
  ['citationMetadata', 'citation_metadata'],
  ['safetyRatings', 'safety_ratings'],
  ['continuationToken', 'continuation_token'],
] as const

/** Streams repeat these and let them grow: the newest counts. */
export function readExtras(candidate: GeminiCandidate, into: CandidateExtras): void {
  if (isRecord(candidate.groundingMetadata)) {
    into.grounding = candidate.groundingMetadata
    into.fields['grounding_metadata'] = candidate.groundingMetadata
  }
  for (const [name, field] of kept) {
    const value: unknown = candidate[name]
    if (value !== undefined && value !== null) into.fields[field] = value
  }
}
