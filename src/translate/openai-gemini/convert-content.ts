import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatMessage } from '../openai/types.ts'
import { audioPart, filePart, mediaPart, resolutionOf, videoMetadataOf } from './convert-media.ts'
import { type GeminiPart, isRecord, textOf } from './gemini-types.ts'
import type { ModelFamily } from './model-family.ts'
import { geminiSignatureOf } from './thought-signature.ts'

/** Request-wide settings that single parts ask for. */
export interface PartWishes {
  /** `mediaResolution` for models that cannot set it per part; the finest one asked for. */
  resolution: string | undefined
}

const finer = [
  'MEDIA_RESOLUTION_LOW',
  'MEDIA_RESOLUTION_MEDIUM',
  'MEDIA_RESOLUTION_HIGH',
  'MEDIA_RESOLUTION_ULTRA_HIGH',
]

/** A message's content as Gemini parts. Empty texts are left out. */
export function convertContent(
  content: ChatMessage['content'],
  family: ModelFamily,
  wishes: PartWishes,
  path: string,
): GeminiPart[] {
  if (content === undefined || content === null || content === '') return []
  if (typeof content === 'string') return [{ text: content }]
  if (!Array.isArray(content)) {
    throw new GatewayError('invalid_request', 'content must be a string or a list of parts.', { param: path })
  }
  const parts: GeminiPart[] = []
  for (let index = 0; index < content.length; index++) {
    const part: unknown = content[index]
    const param = `${path}[${index}]`
    if (!isRecord(part)) throw new GatewayError('invalid_request', 'A content part must be an object.', { param })
    const converted = convertPart(part, family, wishes, param)
    if (converted !== undefined) parts.push(converted)
  }
  return parts
}

function convertPart(
  part: Record<string, unknown>,
  family: ModelFamily,
  wishes: PartWishes,
  param: string,
): GeminiPart | undefined {
  switch (part['type']) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return textPart(part['text'])
    case 'refusal':
      return textPart(part['refusal'])
    case 'image_url': {
      const image = part['image_url']
      const { url, format, detail } = addressOf(image, param)
      return withResolution(mediaPart(url, 'image', format, `${param}.image_url`), detail, family, wishes)
    }
    case 'video_url': {
      const { url, format, detail } = addressOf(part['video_url'], param)
      const converted = mediaPart(url, 'video', format, `${param}.video_url`)
      return withResolution(withVideoMetadata(converted, part), detail, family, wishes)
    }
    case 'input_audio':
      return audioPart(part['input_audio'], `${param}.input_audio`)
    case 'file': {
      const file = part['file']
      const converted = withVideoMetadata(filePart(file, `${param}.file`), isRecord(file) ? file : part)
      return withResolution(converted, isRecord(file) ? file['detail'] : undefined, family, wishes)
    }
    case 'thinking': {
      const signature = geminiSignatureOf({ type: 'thinking', thinking: '', ...(part as { signature?: string }) })
      if (signature === undefined) return undefined
      return { text: textOf(part['thinking']), thought: true, thoughtSignature: signature }
    }
    case 'redacted_thinking':
      return undefined
    default:
      throw new GatewayError(
        'invalid_request',
        'Gemini takes content parts of type text, image_url, input_audio, video_url and file.',
        { param: `${param}.type` },
      )
  }
}

function textPart(text: unknown): GeminiPart | undefined {
  return typeof text === 'string' && text !== '' ? { text } : undefined
}

function addressOf(value: unknown, param: string): { url: string; format: string | undefined; detail: unknown } {
  if (typeof value === 'string') return { url: value, format: undefined, detail: undefined }
  if (!isRecord(value) || typeof value['url'] !== 'string') {
    throw new GatewayError('missing_field', 'The media part has no url.', { param })
  }
  const format = typeof value['format'] === 'string' ? value['format'] : undefined
  return { url: value['url'], format, detail: value['detail'] }
}

function withVideoMetadata(part: GeminiPart, from: Record<string, unknown>): GeminiPart {
  const metadata = videoMetadataOf(from)
  if (metadata !== undefined) part.videoMetadata = metadata
  return part
}

function withResolution(part: GeminiPart, detail: unknown, family: ModelFamily, wishes: PartWishes): GeminiPart {
  const level = resolutionOf(detail)
  if (level === undefined) return part
  if (family.partResolution) part.mediaResolution = { level }
  // The request-wide setting stops at HIGH.
  else if (finer.indexOf(level) > finer.indexOf(wishes.resolution ?? '')) {
    wishes.resolution = level === 'MEDIA_RESOLUTION_ULTRA_HIGH' ? 'MEDIA_RESOLUTION_HIGH' : level
  }
  return part
}
