import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { CacheControl } from '../openai/types.ts'
import { documentSource, imageSource, isPdf, parseDataUrl } from './media.ts'
import { keptBlock } from './original-block.ts'
import { type Block, isObject, type MediaSource } from './types.ts'

/** Documents by file id need the Files API. */
export const filesBeta = 'files-api-2025-04-14'

interface Part {
  type?: unknown
  cache_control?: CacheControl | null
  [extra: string]: unknown
}

const bad = (param: string, message: string): GatewayError => new GatewayError('invalid_request', message, { param })

/** Anthropic refuses text blocks without a visible character. Only a whole-string scan of blanks is linear here. */
export const isBlank = (text: string): boolean => text === '' || text.trim() === ''

/**
 * Hub content parts → blocks, appended to `into`. Parts of a type the hub does not define are Anthropic's own and go
 * over as they are. Blank text is left out.
 */
export function convertParts(content: unknown, param: string, into: Block[], betas: Set<string>): void {
  if (content === null || content === undefined) return
  if (typeof content === 'string') {
    if (!isBlank(content)) into.push({ type: 'text', text: content })
    return
  }
  if (!Array.isArray(content)) throw bad(param, `${param} must be a string or a list of content parts.`)
  for (let i = 0; i < content.length; i++) {
    const part: unknown = content[i]
    if (typeof part === 'string') {
      if (!isBlank(part)) into.push({ type: 'text', text: part })
      continue
    }
    if (!isObject(part)) throw bad(`${param}[${i}]`, `${param}[${i}] must be an object with a type.`)
    const block = convertPart(part as Part, param, i, betas)
    if (block !== undefined) into.push(block)
  }
}

function convertPart(part: Part, list: string, index: number, betas: Set<string>): Block | undefined {
  switch (part.type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return textBlock(part, `${list}[${index}]`)
    case 'refusal': {
      const text = part['refusal']
      return typeof text === 'string' && !isBlank(text) ? { type: 'text', text } : undefined
    }
    case 'image_url':
      return imageBlock(part, `${list}[${index}]`)
    case 'file':
      return fileBlock(part, `${list}[${index}]`, betas)
    case 'input_audio':
      throw bad(`${list}[${index}]`, `${list}[${index}]: Anthropic models take no audio. Transcribe it first.`)
    case 'video_url':
      throw bad(`${list}[${index}]`, `${list}[${index}]: Anthropic models take no video. Send still images.`)
    default:
      if (typeof part.type !== 'string') throw bad(`${list}[${index}]`, `${list}[${index}].type must be a string.`)
      return part as Block
  }
}

function textBlock(part: Part, param: string): Block | undefined {
  const text = part['text']
  if (typeof text !== 'string') throw bad(`${param}.text`, `${param}.text must be a string.`)
  const kept = keptBlock(part, text)
  if (kept !== undefined) return kept
  if (isBlank(text)) return undefined
  return withCache({ type: 'text', text }, part)
}

function imageBlock(part: Part, param: string): Block {
  const image = part['image_url']
  const url = typeof image === 'string' ? image : isObject(image) ? image['url'] : undefined
  if (typeof url !== 'string' || url === '') {
    throw bad(`${param}.image_url.url`, `${param}.image_url.url must be an https: or data: URL.`)
  }
  const kept = keptBlock(part, url)
  if (kept !== undefined) return kept
  const data = parseDataUrl(url)
  if (data === undefined) return withCache({ type: 'image', source: { type: 'url', url } }, part)
  const format = isObject(image) ? image['format'] : undefined
  const mediaType = typeof format === 'string' && format.includes('/') ? format : data.mediaType
  // Clients that know no file part send PDFs through the image part.
  if (!mediaType.startsWith('image/') && (mediaType === 'application/pdf' || isPdf(data.base64))) {
    const source: MediaSource = { type: 'base64', media_type: 'application/pdf', data: data.base64 }
    return withCache({ type: 'document', source }, part)
  }
  return withCache({ type: 'image', source: imageSource({ mediaType, base64: data.base64 }) }, part)
}

function fileBlock(part: Part, param: string, betas: Set<string>): Block {
  const file = part['file']
  if (!isObject(file)) throw bad(`${param}.file`, `${param}.file must be an object with file_data or file_id.`)
  const { file_data: data, file_id: id } = file
  const format = typeof file['format'] === 'string' ? file['format'] : undefined
  const name = typeof file['filename'] === 'string' && file['filename'] !== '' ? file['filename'] : undefined
  if (typeof data === 'string' && data !== '') {
    return keptBlock(part, data) ?? fileFromData(part, data, format, name)
  }
  if (typeof id !== 'string' || id === '') {
    throw bad(`${param}.file`, `${param}.file needs file_data (a data: URL) or file_id.`)
  }
  const kept = keptBlock(part, id)
  if (kept !== undefined) return kept
  if (id.startsWith('https://') || id.startsWith('http://')) {
    const type = format?.startsWith('image/') ? 'image' : 'document'
    return withCache(named({ type, source: { type: 'url', url: id } }, type, name), part)
  }
  const inline = parseDataUrl(id)
  if (inline !== undefined) return fileFromData(part, id, format, name)
  betas.add(filesBeta)
  const readable = format === undefined || format === 'application/pdf' || format === 'text/plain'
  if (format?.startsWith('image/')) return withCache({ type: 'image', source: { type: 'file', file_id: id } }, part)
  // Data files can be read by the code execution tool only.
  if (!readable) return withCache({ type: 'container_upload', file_id: id }, part)
  return withCache(named({ type: 'document', source: { type: 'file', file_id: id } }, 'document', name), part)
}

function fileFromData(part: Part, text: string, format: string | undefined, name: string | undefined): Block {
  const parsed = parseDataUrl(text)
  const base64 = parsed?.base64 ?? text
  const mediaType = format ?? parsed?.mediaType ?? 'application/pdf'
  const data = { mediaType: isPdf(base64) ? 'application/pdf' : mediaType, base64 }
  if (mediaType.startsWith('image/')) return withCache({ type: 'image', source: imageSource(data) }, part)
  return withCache(named({ type: 'document', source: documentSource(data) }, 'document', name), part)
}

type MediaBlock = { type: string; source: MediaSource; title?: string }

function named(block: MediaBlock, type: string, name: string | undefined): MediaBlock {
  if (type === 'document' && name !== undefined) block.title = name
  return block
}

function withCache<B extends object>(block: B, part: Part): B & { type: string } {
  const cached = block as B & { type: string; cache_control?: CacheControl }
  if (part.cache_control != null) cached.cache_control = part.cache_control
  return cached
}
