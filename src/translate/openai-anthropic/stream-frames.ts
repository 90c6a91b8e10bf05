/** Anthropic's stream events as text for the socket. Built by concatenation: a delta costs one string escape. */
import type { Block, MessageUsage, StopReason } from './types.ts'

export function messageStart(id: string, model: string, usage: MessageUsage): string {
  const message = {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  }
  return startOf(message)
}

/** @param message all of it but what it says, which follows block by block. */
export const startOf = (message: object): string =>
  `event: message_start\ndata: {"type":"message_start","message":${JSON.stringify(message)}}\n\n`

export function blockStart(index: number, block: Block): string {
  return `event: content_block_start\ndata: {"type":"content_block_start","index":${index},"content_block":${JSON.stringify(block)}}\n\n`
}

const delta = (index: number, json: string): string =>
  `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":${json}}\n\n`

export const textDelta = (index: number, text: string): string =>
  delta(index, `{"type":"text_delta","text":${JSON.stringify(text)}}`)

export const thinkingDelta = (index: number, text: string): string =>
  delta(index, `{"type":"thinking_delta","thinking":${JSON.stringify(text)}}`)

export const signatureDelta = (index: number, signature: string): string =>
  delta(index, `{"type":"signature_delta","signature":${JSON.stringify(signature)}}`)

export const inputDelta = (index: number, piece: string): string =>
  delta(index, `{"type":"input_json_delta","partial_json":${JSON.stringify(piece)}}`)

export const citationDelta = (index: number, citation: unknown): string =>
  delta(index, `{"type":"citations_delta","citation":${JSON.stringify(citation)}}`)

export const blockStop = (index: number): string =>
  `event: content_block_stop\ndata: {"type":"content_block_stop","index":${index}}\n\n`

export function messageDelta(
  stop: { stop_reason: StopReason; stop_sequence: string | null; [extra: string]: unknown },
  usage: MessageUsage,
): string {
  return `event: message_delta\ndata: {"type":"message_delta","delta":${JSON.stringify(stop)},"usage":${JSON.stringify(usage)}}\n\n`
}

export const messageStop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'

/** A complete block as the events that would have streamed it. */
export function wholeBlock(index: number, block: Block): string {
  const given = block as Block & Record<string, unknown>
  let body = ''
  let start: Block = block
  if (block.type === 'text' && typeof given['text'] === 'string') {
    const { citations } = given
    start = { ...block, text: '', ...(Array.isArray(citations) ? { citations: [] } : {}) } as Block
    if (given['text'] !== '') body = textDelta(index, given['text'])
    if (Array.isArray(citations)) for (const citation of citations) body += citationDelta(index, citation)
  } else if (block.type === 'thinking') {
    start = { type: 'thinking', thinking: '', signature: '' }
    if (typeof given['thinking'] === 'string' && given['thinking'] !== '')
      body = thinkingDelta(index, given['thinking'])
    if (typeof given['signature'] === 'string' && given['signature'] !== '') {
      body += signatureDelta(index, given['signature'])
    }
  } else if (typeof given['input'] === 'object' && given['input'] !== null) {
    start = { ...block, input: {} } as Block
    body = inputDelta(index, JSON.stringify(given['input']))
  }
  return blockStart(index, start) + body + blockStop(index)
}
