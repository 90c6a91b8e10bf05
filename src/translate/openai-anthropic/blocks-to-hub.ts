/** Anthropic content blocks → hub content parts. */
import type { CacheControl, ContentPart } from '../openai/types.ts'
import { keepBlock } from './original-block.ts'
import { type Block, type DocumentBlock, isObject, type MediaSource, stringOr } from './types.ts'
import { invalid, required } from './validate-request.ts'

type Cached = { cache_control?: CacheControl | null }

/**
 * A block of a user message or a tool result → hub part; undefined for a block that says nothing to another vendor.
 * @param param path of the block, as Anthropic writes it: `messages.0.content.2`.
 */
export function partOfBlock(block: Block, param: string): ContentPart | undefined {
  switch (block.type) {
    case 'text': {
      const text = textOf(block, param)
      const kept = 'citations' in block ? keepBlock({ type: 'text' as const, text }, block, text) : undefined
      return withCache(kept ?? { type: 'text', text }, block)
    }
    case 'image':
      return imagePart(block, param)
    case 'document':
      return documentPart(block as DocumentBlock, param)
    case 'search_result':
      return textPart(block, searchResultText(block))
    case 'container_upload':
      return filePart(block, { file_id: stringOr((block as { file_id?: unknown }).file_id) }, '')
    default:
      return textPart(block, serverResultText(block))
  }
}

function textOf(block: Block, param: string): string {
  const text = (block as { text?: unknown }).text
  if (text === undefined) throw required(`${param}.text`)
  if (typeof text !== 'string') throw invalid(`${param}.text`, 'Input should be a valid string')
  return text
}

function sourceOf(block: Block, param: string): MediaSource {
  const source = (block as { source?: unknown }).source
  if (source === undefined) throw required(`${param}.source`)
  if (!isObject(source)) throw invalid(`${param}.source`, 'Input should be an object')
  return source as unknown as MediaSource
}

function stringOf(source: MediaSource, key: string, param: string): string {
  const value = (source as unknown as Record<string, unknown>)[key]
  if (value === undefined) throw required(`${param}.source.${key}`)
  if (typeof value !== 'string') throw invalid(`${param}.source.${key}`, 'Input should be a valid string')
  return value
}

function imagePart(block: Block, param: string): ContentPart {
  const source = sourceOf(block, param)
  switch (source.type) {
    case 'base64': {
      const url = `data:${stringOf(source, 'media_type', param)};base64,${stringOf(source, 'data', param)}`
      return withCache({ type: 'image_url', image_url: { url } }, block)
    }
    case 'url':
      return withCache({ type: 'image_url', image_url: { url: stringOf(source, 'url', param) } }, block)
    case 'file':
      return filePart(block, { file_id: stringOf(source, 'file_id', param), format: 'image/*' }, source.file_id)
    default:
      throw invalid(`${param}.source.type`, "Input should be 'base64', 'url' or 'file'")
  }
}

function documentPart(block: DocumentBlock, param: string): ContentPart | undefined {
  const source = sourceOf(block, param)
  const title = typeof block.title === 'string' && block.title !== '' ? block.title : undefined
  const filename = title === undefined ? {} : { filename: title }
  switch (source.type) {
    case 'base64': {
      const data = `data:${stringOf(source, 'media_type', param)};base64,${stringOf(source, 'data', param)}`
      // OpenAI refuses inline files without a name.
      return filePart(block, { file_data: data, filename: title ?? 'document.pdf' }, data)
    }
    case 'url': {
      const url = stringOf(source, 'url', param)
      return filePart(block, { file_id: url, ...filename, format: 'application/pdf' }, url)
    }
    case 'file':
      return filePart(block, { file_id: stringOf(source, 'file_id', param), ...filename }, source.file_id)
    case 'text':
      return textPart(block, titled(title, stringOf(source, 'data', param)))
    case 'content':
      return textPart(block, titled(title, textIn(source.content)))
    default:
      throw invalid(`${param}.source.type`, "Input should be 'base64', 'text', 'content', 'url' or 'file'")
  }
}

function filePart(
  block: Block,
  file: { file_data?: string; file_id?: string; filename?: string; format?: string },
  rendered: string,
): ContentPart {
  return withCache(keepBlock({ type: 'file' as const, file }, block, rendered), block)
}

function textPart(block: Block, text: string): ContentPart | undefined {
  if (text === '') return undefined
  return withCache(keepBlock({ type: 'text' as const, text }, block, text), block)
}

function withCache(part: ContentPart & Cached, block: Block): ContentPart {
  const mark = (block as Cached).cache_control
  if (isObject(mark)) part.cache_control = mark as unknown as CacheControl
  return part
}

const titled = (title: string | undefined, text: string): string => (title === undefined ? text : `${title}\n\n${text}`)

/** All text in a string or a list of blocks. */
export function textIn(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  let text = ''
  for (const block of content as unknown[]) {
    if (!isObject(block) || typeof block['text'] !== 'string') continue
    text += text === '' ? block['text'] : `\n${block['text']}`
  }
  return text
}

function searchResultText(block: Block): string {
  const { title, source, content } = block as { title?: unknown; source?: unknown; content?: unknown }
  const head = [title, source].filter(line => typeof line === 'string' && line !== '').join('\n')
  return titled(head === '' ? undefined : head, textIn(content))
}

/** Results of Anthropic's own tools: what of them is readable. */
function serverResultText(block: Block): string {
  const content = (block as { content?: unknown }).content
  return textIn(isObject(content) ? content['content'] : content)
}
