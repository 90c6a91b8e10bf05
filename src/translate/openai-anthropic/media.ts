import type { MediaSource } from './types.ts'

export interface DataUrl {
  readonly mediaType: string
  readonly base64: string
}

/**
 * `data:` URL → media type and base64 payload; undefined for any other URL. The payload may be megabytes long, so it
 * is cut out, never scanned.
 */
export function parseDataUrl(url: string): DataUrl | undefined {
  if (!url.startsWith('data:')) return undefined
  const comma = url.indexOf(',')
  if (comma < 0) return undefined
  const head = url.slice(5, comma).toLowerCase()
  const payload = url.slice(comma + 1)
  const semicolon = head.indexOf(';')
  const mediaType = (semicolon < 0 ? head : head.slice(0, semicolon)).trim() || 'text/plain'
  return {
    mediaType,
    base64: head.endsWith(';base64') ? payload : Buffer.from(unescapeUrl(payload)).toString('base64'),
  }
}

function unescapeUrl(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** First characters of the base64 form of each image format's magic number. */
const signatures = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
] as const

/** Anthropic refuses an image whose declared type differs from its bytes, so the bytes decide where they are known. */
export function imageSource(data: DataUrl): MediaSource {
  const known = signatures.find(([start]) => data.base64.startsWith(start))
  const declared = data.mediaType === 'image/jpg' ? 'image/jpeg' : data.mediaType
  return { type: 'base64', media_type: known?.[1] ?? declared, data: data.base64 }
}

export const isPdf = (base64: string): boolean => base64.startsWith('JVBERi')

export function documentSource(data: DataUrl): MediaSource {
  if (data.mediaType.startsWith('text/') || data.mediaType === 'application/json') {
    return { type: 'text', media_type: 'text/plain', data: Buffer.from(data.base64, 'base64').toString('utf8') }
  }
  return { type: 'base64', media_type: data.mediaType, data: data.base64 }
}
