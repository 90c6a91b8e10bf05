import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { type GeminiPart, isRecord } from './gemini-types.ts'

/** What a media part is, where its address does not say. */
export type MediaKind = 'image' | 'audio' | 'video' | 'file'

const types: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  opus: 'audio/opus',
  aac: 'audio/aac',
  aiff: 'audio/aiff',
  m4a: 'audio/m4a',
  pcm: 'audio/pcm',
  pcm16: 'audio/pcm',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  mpg: 'video/mpg',
  mov: 'video/mov',
  avi: 'video/avi',
  flv: 'video/x-flv',
  webm: 'video/webm',
  wmv: 'video/wmv',
  '3gp': 'video/3gpp',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/md',
  csv: 'text/csv',
  html: 'text/html',
  css: 'text/css',
  xml: 'text/xml',
  json: 'application/json',
  js: 'text/javascript',
  py: 'text/x-python',
  rtf: 'text/rtf',
}

const fallback: Readonly<Record<MediaKind, string>> = {
  image: 'image/jpeg',
  audio: 'audio/mpeg',
  video: 'video/mp4',
  file: 'application/pdf',
}

const filesApi = 'https://generativelanguage.googleapis.com/v1beta/'

/** The type an extension or a bare type word stands for: `photo.png`, `wav`, `image/png`. */
export function mimeTypeOf(name: string): string | undefined {
  if (name.includes('/') && !name.includes('://') && !name.includes('.')) return name
  const query = name.search(/[?#]/)
  const path = query < 0 ? name : name.slice(0, query)
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase()
  return Object.hasOwn(types, extension) ? types[extension] : undefined
}

/**
 * A data URL becomes `inlineData`; an address becomes `fileData` with the type its extension says. Nothing is
 * downloaded here: `http(s)` addresses are handed to Gemini, which fetches those it supports (YouTube among them).
 * @param stated the caller's own type (`format`), which counts more than the address.
 */
export function mediaPart(url: string, kind: MediaKind, stated: string | undefined, param: string): GeminiPart {
  const type = stated === undefined ? undefined : (mimeTypeOf(stated) ?? stated)
  if (url.startsWith('data:')) return inlinePart(url, kind, type, param)
  const uri = url.startsWith('files/') ? filesApi + url : url
  if (!/^(?:https?|gs):\/\//i.test(uri)) {
    throw new GatewayError(
      'invalid_request',
      'Media must be a data: URL, an http(s) or gs:// address, or a Gemini Files API name (files/…).',
      { param },
    )
  }
  const known = type ?? (isUntyped(uri) ? undefined : (mimeTypeOf(uri) ?? fallback[kind]))
  return { fileData: known === undefined ? { fileUri: uri } : { mimeType: known, fileUri: uri } }
}

/** Files API objects and YouTube videos have a type of their own, which a guess would contradict. */
function isUntyped(uri: string): boolean {
  return (
    uri.startsWith('https://generativelanguage.googleapis.com/') ||
    /^https:\/\/(?:www\.|m\.)?(?:youtube\.com|youtu\.be)\//.test(uri)
  )
}

function inlinePart(url: string, kind: MediaKind, type: string | undefined, param: string): GeminiPart {
  const comma = url.indexOf(',')
  if (comma < 0) throw new GatewayError('invalid_request', 'The data: URL holds no data.', { param })
  const head = url.slice('data:'.length, comma)
  const semicolon = head.indexOf(';')
  const named = (semicolon < 0 ? head : head.slice(0, semicolon)).trim()
  const mimeType = type ?? (named === '' ? fallback[kind] : named)
  if (head.endsWith(';base64')) return { inlineData: { mimeType, data: url.slice(comma + 1) } }
  try {
    const data = Buffer.from(decodeURIComponent(url.slice(comma + 1)), 'utf8').toString('base64')
    return { inlineData: { mimeType, data } }
  } catch {
    throw new GatewayError('invalid_request', 'The data: URL is not well-formed.', { param })
  }
}

/** `{ type: 'input_audio', input_audio: { data, format } }`: bare base64, or a data URL. */
export function audioPart(audio: unknown, param: string): GeminiPart {
  const data = isRecord(audio) ? audio['data'] : undefined
  if (typeof data !== 'string') throw new GatewayError('missing_field', 'Audio input has no data.', { param })
  const format = isRecord(audio) && typeof audio['format'] === 'string' ? audio['format'] : undefined
  if (data.startsWith('data:')) return inlinePart(data, 'audio', undefined, param)
  const mimeType = (format === undefined ? undefined : mimeTypeOf(format)) ?? 'audio/wav'
  return { inlineData: { mimeType, data } }
}

/** `{ type: 'file', file: { file_data | file_id, filename, format } }`. */
export function filePart(file: unknown, param: string): GeminiPart {
  if (!isRecord(file)) throw new GatewayError('missing_field', 'The file part has no file.', { param })
  const data = file['file_data']
  const id = file['file_id']
  const format = typeof file['format'] === 'string' ? file['format'] : undefined
  const named = format ?? (typeof file['filename'] === 'string' ? mimeTypeOf(file['filename']) : undefined)
  if (typeof data === 'string' && data !== '') {
    if (/^(?:data:|https?:\/\/|gs:\/\/)/i.test(data)) return mediaPart(data, 'file', format, param)
    return { inlineData: { mimeType: (named && mimeTypeOf(named)) ?? named ?? fallback.file, data } }
  }
  if (typeof id === 'string' && id !== '') return mediaPart(id, 'file', named, param)
  throw new GatewayError('missing_field', 'The file part needs file_data or file_id.', { param })
}

const resolutions: Readonly<Record<string, string>> = {
  low: 'MEDIA_RESOLUTION_LOW',
  medium: 'MEDIA_RESOLUTION_MEDIUM',
  high: 'MEDIA_RESOLUTION_HIGH',
  ultra_high: 'MEDIA_RESOLUTION_ULTRA_HIGH',
}

/** OpenAI's `detail` as a media resolution; `auto` and unknown words leave it to the model. */
export function resolutionOf(detail: unknown): string | undefined {
  return typeof detail === 'string' && Object.hasOwn(resolutions, detail) ? resolutions[detail] : undefined
}

/** `video_metadata` / `videoMetadata`: `fps`, and offsets such as `"12s"`, in either case. */
export function videoMetadataOf(part: Record<string, unknown>): Record<string, unknown> | undefined {
  const stated = part['video_metadata'] ?? part['videoMetadata']
  if (!isRecord(stated)) return undefined
  const metadata: Record<string, unknown> = {}
  const start = stated['start_offset'] ?? stated['startOffset']
  const end = stated['end_offset'] ?? stated['endOffset']
  if (typeof stated['fps'] === 'number') metadata['fps'] = stated['fps']
  if (start !== undefined) metadata['startOffset'] = start
  if (end !== undefined) metadata['endOffset'] = end
  return metadata
}
