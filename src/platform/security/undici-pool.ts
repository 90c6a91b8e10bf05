/**
 * The two parts of undici that the outbound door uses, without the rest of the package. Its index also loads fetch,
 * WebSocket, caches and mocks: +12 MB of memory and +40 ms of start-up (measured with Node 24, undici 8.12; ADR 0002).
 * The paths are internal to undici, so its version is pinned in package.json; `undici-parts.d.ts` has their types.
 */
import type * as undici from 'undici'

export { default as buildConnector } from 'undici/lib/core/connect.js'
export { default as Pool } from 'undici/lib/dispatcher/pool.js'
/** What the gateway needs of a dispatcher; undici's `request` and its kin come only with the index. */
export type Dispatcher = Pick<undici.Dispatcher, 'dispatch'>
export type DispatchHandler = undici.Dispatcher.DispatchHandler
export type DispatchController = undici.Dispatcher.DispatchController
export type DispatchOptions = undici.Dispatcher.DispatchOptions
export type Connector = undici.buildConnector.connector
