import type { MessagePort } from './messages.ts'

/** One end of Node's channel between a parent and a child: `process` in the child, the child or worker in the parent. */
interface Ipc {
  send?(message: unknown, handle: undefined, options: undefined, done: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

/** A message to a process that has just ended is lost; `onClose` tells. */
const ignoreLost = (): void => {}

export function ipcPort(end: Ipc): MessagePort {
  return {
    post: message => void end.send?.(message, undefined, undefined, ignoreLost),
    onMessage: listener => void end.on('message', listener),
    onClose: listener => void end.on('disconnect', listener),
  }
}
