/**
 * Tool-call ids that carry Gemini's thought signature.
 *
 * Gemini 3 refuses a replayed function call without the signature it came with, and a client that speaks plain OpenAI
 * (or Anthropic) keeps nothing of a call but id, name and arguments. So the id is the carrier:
 *
 *     <call id>__sig_<signature>      signature is standard base64, written in the URL alphabet without padding
 *     <call id>__sigt_<signature>     any other signature text, base64url of its UTF-8 bytes
 *
 * `<call id>` is `gem_<id>` when the vendor named the call, else a generated `call_…`. All characters are
 * `[A-Za-z0-9_-]`, which every client and Anthropic's id rule accept.
 */
const standardMark = '__sig_'
const textMark = '__sigt_'
const vendorPrefix = 'gem_'
const safeId = /^[A-Za-z0-9_-]{1,64}$/
const standardBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export interface PackedToolCallId {
  /** The id without the signature: what calls and results are matched by. */
  readonly id: string
  readonly signature: string | undefined
  /** Set when Gemini named the call itself; it wants that id back. */
  readonly vendorId: string | undefined
}

/** @param vendorId the id Gemini gave the call, if any. @param fallback a generated id, for calls without a usable one. */
export function packToolCallId(
  vendorId: string | undefined,
  fallback: () => string,
  signature: string | undefined,
): string {
  const id =
    vendorId !== undefined && safeId.test(vendorId) && !vendorId.includes('__sig')
      ? `${vendorPrefix}${vendorId}`
      : fallback()
  if (signature === undefined || signature === '') return id
  if (standardBase64.test(signature)) {
    return id + standardMark + signature.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
  }
  return id + textMark + Buffer.from(signature, 'utf8').toString('base64url')
}

export function unpackToolCallId(packed: string): PackedToolCallId {
  const at = packed.indexOf('__sig')
  const id = at < 0 ? packed : packed.slice(0, at)
  const vendorId =
    id.startsWith(vendorPrefix) && id.length > vendorPrefix.length ? id.slice(vendorPrefix.length) : undefined
  if (at < 0) return { id, signature: undefined, vendorId }
  if (packed.startsWith(textMark, at)) {
    const text = Buffer.from(packed.slice(at + textMark.length), 'base64url').toString('utf8')
    return { id, signature: text === '' ? undefined : text, vendorId }
  }
  if (packed.startsWith(standardMark, at)) {
    const text = packed
      .slice(at + standardMark.length)
      .replaceAll('-', '+')
      .replaceAll('_', '/')
    if (text === '') return { id, signature: undefined, vendorId }
    return { id, signature: text.padEnd(Math.ceil(text.length / 4) * 4, '='), vendorId }
  }
  // Some other system's id that happens to contain the mark.
  return { id: packed, signature: undefined, vendorId: undefined }
}
