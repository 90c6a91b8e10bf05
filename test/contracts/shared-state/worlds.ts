import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort as ThreadPort } from 'node:worker_threads'
import { createClient, createCluster } from '@redis/client'
import { FleetServer } from '../../../src/platform/shared-state/fleet/fleet-server.ts'
import { FleetState } from '../../../src/platform/shared-state/fleet/fleet-state.ts'
import { ipcPort } from '../../../src/platform/shared-state/fleet/ipc.ts'
import type { MessagePort } from '../../../src/platform/shared-state/fleet/messages.ts'
import { MemoryState } from '../../../src/platform/shared-state/memory/memory-state.ts'
import { leaseScript } from '../../../src/platform/shared-state/redis/lease-script.ts'
import type { RedisNode, RedisPlace } from '../../../src/platform/shared-state/redis/options.ts'
import { RedisState } from '../../../src/platform/shared-state/redis/redis-state.ts'
import type { SharedState, SharedStateEvents } from '../../../src/platform/shared-state/shared-state.ts'
import { sleep, TestClock, unique, type World } from './world.ts'

/** A listener that throws is part of the suite; anything else the events tell is a failure. */
export const quiet: SharedStateEvents = {
  dropped: count => {
    throw new Error(`${count} settlements were dropped`)
  },
}

export async function memoryWorld(): Promise<World> {
  const clock = new TestClock()
  const state = new MemoryState({ clock, ...quiet })
  const move = async (ms: number): Promise<void> => clock.move(ms)
  return {
    open: async () => state,
    pass: move,
    leap: move,
    now: () => clock.epoch(),
    close: () => state.close(),
  }
}

/** Workers as threads would be: over a MessageChannel. */
export async function channelWorld(): Promise<World> {
  const clock = new TestClock()
  const primary = new MemoryState({ clock, ...quiet })
  const server = new FleetServer(primary)
  const opened: SharedState[] = []
  const ports: ThreadPort[] = []
  const move = async (ms: number): Promise<void> => clock.move(ms)
  return {
    open: async () => {
      const { port1, port2 } = new MessageChannel()
      ports.push(port1, port2)
      server.connect(ports.length, threadPort(port1))
      const state = new FleetState(threadPort(port2), {}, quiet)
      opened.push(state)
      return state
    },
    pass: move,
    leap: move,
    now: () => clock.epoch(),
    close: async () => {
      await Promise.all(opened.map(state => state.close()))
      for (const port of ports) port.close()
      await primary.close()
    },
  }
}

/** The primary is another process; this one speaks to it as its workers do, over Node's channel. */
export async function forkWorld(): Promise<World> {
  const child = await forkPrimary()
  const clock = new TestClock()
  const opened: SharedState[] = []
  const tell = (message: unknown): Promise<void> =>
    new Promise((resolve, reject) => child.send(message as object, error => (error ? reject(error) : resolve())))
  const move = async (ms: number): Promise<void> => {
    clock.move(ms)
    // The channel keeps the order: what is asked from now on is asked at the new time.
    await tell({ test: 'time', now: clock.epoch() })
  }
  await move(0)
  const port = ipcPort(child)
  return {
    open: async () => {
      const member = opened.length + 1
      await tell({ test: 'connect', member })
      const state = new FleetState(membersPort(port, member), { timeout: 5000 }, quiet)
      opened.push(state)
      return state
    },
    pass: move,
    leap: move,
    now: () => clock.epoch(),
    close: async () => {
      await Promise.all(opened.map(state => state.close()))
      child.kill('SIGKILL')
    },
  }
}

/** A primary with a clock that stands still until told. */
export function forkPrimary(): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./primary-program.ts', import.meta.url)), { execArgv: [] })
  child.setMaxListeners(50)
  return new Promise((resolve, reject) => {
    child.once('message', () => resolve(child))
    child.once('exit', code => reject(new Error(`the primary ended with ${code}`)))
  })
}

export async function redisWorld(node: RedisNode): Promise<World> {
  const admin = createClient({ socket: { ...node } })
  admin.on('error', () => {})
  await admin.connect()
  const send = (_key: string, args: string[]) => admin.sendCommand(args)
  return worldOf({ kind: 'standalone', ...node }, send, () => admin.destroy())
}

export async function clusterWorld(nodes: readonly RedisNode[]): Promise<World> {
  const admin = createCluster({ rootNodes: nodes.map(node => ({ socket: { ...node } })) })
  admin.on('error', () => {})
  await admin.connect()
  const send = (key: string, args: string[]) => admin.sendCommand(key, false, args)
  return worldOf({ kind: 'cluster', nodes: nodes.slice(0, 1) }, send, () => admin.destroy())
}

async function worldOf(
  place: RedisPlace,
  send: (key: string, args: string[]) => Promise<unknown>,
  end: () => void,
): Promise<World> {
  const clock = new TestClock()
  const prefix = unique()
  const opened: SharedState[] = []
  const { tag, script } = clockScript(prefix)
  const set = async (): Promise<void> => {
    const now = clock.epoch()
    const seconds = String(Math.floor(now / 1000))
    await send(tag, ['MSET', `${tag}:seconds`, seconds, `${tag}:micros`, String((now % 1000) * 1000)])
  }
  await set()
  return {
    open: async () => {
      const state = await RedisState.open({ place, prefix, commandTimeout: 5000 }, quiet, script)
      opened.push(state)
      return state
    },
    pass: async ms => {
      clock.move(ms)
      await set()
      // Values and locks live by the clock of the server.
      await sleep(ms)
    },
    leap: async ms => {
      clock.move(ms)
      await set()
    },
    now: () => clock.epoch(),
    close: async () => {
      await Promise.all(opened.map(state => state.close()))
      end()
    },
  }
}

/** The script with a clock that a test sets. */
export function clockScript(prefix: string): { readonly tag: string; readonly script: string } {
  const tag = `{${prefix}}`
  const time = `redis.call('MGET', '${tag}:seconds', '${tag}:micros')`
  const script = leaseScript.replace("call('TIME')", time)
  if (script === leaseScript) throw new Error('the lease script does not ask for the time as it used to')
  return { tag, script }
}

export function threadPort(port: ThreadPort): MessagePort {
  return {
    post: message => port.postMessage(message),
    onMessage: listener => void port.on('message', listener),
    onClose: listener => void port.on('close', listener),
  }
}

/** Several members share one channel in these tests; in a fleet each worker has its own. */
export function membersPort(port: MessagePort, member: number): MessagePort {
  return {
    post: message => port.post({ member, message }),
    onMessage: listener =>
      port.onMessage(message => {
        const { member: to, message: inner } = message as { member?: number; message?: unknown }
        if (to === member) listener(inner)
      }),
    ...(port.onClose === undefined ? {} : { onClose: port.onClose }),
  }
}
