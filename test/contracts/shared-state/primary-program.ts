/** A primary with nothing but the shared state, for `forkWorld`. */
import { FleetServer } from '../../../src/platform/shared-state/fleet/fleet-server.ts'
import { ipcPort } from '../../../src/platform/shared-state/fleet/ipc.ts'
import { MemoryState } from '../../../src/platform/shared-state/memory/memory-state.ts'
import { membersPort } from './worlds.ts'

let now = 0
const server = new FleetServer(new MemoryState({ clock: { epoch: () => now } }))
const port = ipcPort(process)
process.setMaxListeners(50)

process.on('message', (message: { test?: string; now?: number; member?: number }) => {
  if (message.test === 'time') now = message.now ?? now
  if (message.test === 'connect') server.connect(message.member ?? 0, membersPort(port, message.member ?? 0))
})
process.send?.({ test: 'ready' })
process.on('disconnect', () => process.exit())
