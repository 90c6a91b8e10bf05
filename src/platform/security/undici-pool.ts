/**
 * The two parts of undici that the outbound door uses, without the rest of the package. Its index also loads fetch,
 * WebSocket, caches and mocks: +12 MB of memory and +40 ms of start-up (measured with Node 24, undici 8.12; ADR 0002).
 * The paths are internal to undici, so its version is pinned in package.json.
 */
import { createRequire } from 'node:module'
import type * as undici from 'undici'

const require = createRequire(import.meta.url)

export const Pool = require('undici/lib/dispatcher/pool.js') as typeof undici.Pool
export const buildConnector = require('undici/lib/core/connect.js') as typeof undici.buildConnector
/** What the gateway needs of a dispatcher; undici's `request` and its kin come only with the index. */
export type Dispatcher = Pick<undici.Dispatcher, 'dispatch'>
export type DispatchHandler = undici.Dispatcher.DispatchHandler
export type DispatchController = undici.Dispatcher.DispatchController
export type DispatchOptions = undici.Dispatcher.DispatchOptions
export type Pool = undici.Pool
export type Connector = undici.buildConnector.connector
