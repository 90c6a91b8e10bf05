import type { ServerResponse } from 'node:http'

/**
 * A caller that stops reading must not keep an answer in memory for ever: its connection is closed after so many
 * milliseconds in which it took nothing. For the rest of an answer that is ended but not yet sent; a stream that still
 * runs is watched by its attempt. HTTP sets the connection's timeout anew when the answer is out.
 */
export function closeIfUnread(response: ServerResponse, milliseconds: number): void {
  if (response.writableLength > 0 && !response.destroyed) response.socket?.setTimeout(milliseconds)
}
