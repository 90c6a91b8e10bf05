import type { Fault } from './fault.ts'
import type { Frame, Wire } from './types.ts'

/** How a stream ends after its last frame. */
export type StreamEnd = 'clean' | 'destroy' | 'stall'

export interface FaultyStream {
  readonly frames: Frame[]
  readonly end: StreamEnd
}

/** Applies the faults that concern whole frames; bytes and times are the sender's business. */
export function applyStreamFaults(frames: Frame[], fault: Fault, wire: Wire): FaultyStream {
  let list = frames
  let end: StreamEnd = 'clean'
  if (fault.no_done === true) list = list.filter(frame => frame.part !== 'terminal')
  const broken = fault.malformed === true ? 1 : fault.malformed
  if (typeof broken === 'number') {
    list = list.map((frame, index) => (index === broken ? { part: frame.part, text: wire.malformedFrame } : frame))
  }
  if (fault.stall === true) {
    list = list.slice(0, contentIndex(list, 0))
    end = 'stall'
  }
  const errorAt =
    fault.error_event ?? (fault.error_content === undefined ? undefined : contentIndex(list, fault.error_content))
  if (errorAt !== undefined) {
    list = [...list.slice(0, errorAt), { part: 'content', text: wire.errorFrame(fault) }]
  }
  const endAt = fault.end_event ?? (fault.end_content === undefined ? undefined : contentIndex(list, fault.end_content))
  if (endAt !== undefined) list = list.slice(0, endAt)
  const cutAt = fault.cut_event ?? (fault.cut_content === undefined ? undefined : contentIndex(list, fault.cut_content))
  if (cutAt !== undefined) {
    list = list.slice(0, cutAt)
    end = 'destroy'
  }
  if (fault.ping === true) {
    list = list.flatMap(frame => [{ part: frame.part === 'content' ? 'preamble' : frame.part, text: wire.ping }, frame])
  }
  if (fault.crlf === true) list = list.map(frame => ({ part: frame.part, text: frame.text.replace(/\r?\n/g, '\r\n') }))
  return { frames: list, end }
}

/** Index of the frame that follows `count` content frames. */
function contentIndex(frames: Frame[], count: number): number {
  let seen = 0
  for (let index = 0; index < frames.length; index++) {
    if (frames[index]?.part !== 'content') continue
    if (seen === count) return index
    seen++
  }
  // Fewer content frames than asked for: before what closes the stream.
  const closing = frames.findIndex(frame => frame.part === 'closing' || frame.part === 'terminal')
  return closing < 0 ? frames.length : closing
}
