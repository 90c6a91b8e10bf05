import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { router } from './router/router.ts'

/** From the thread to its owner. */
export type PipelineMessage =
  | { readonly type: 'out' | 'err'; readonly text: string }
  | { readonly type: 'ended'; readonly code: number }

const say = (message: PipelineMessage): void => parentPort?.postMessage(message)

// On Linux this is about the calling thread alone: calls come first. Elsewhere it may be about all or not be allowed.
if (process.platform === 'linux') {
  try {
    setPriority(10)
  } catch {
    // It trains at the priority of calls then.
  }
}
const { args } = workerData as { readonly args: readonly string[] }
const code = await router(
  args,
  {},
  {
    out: text => say({ type: 'out', text }),
    err: text => say({ type: 'err', text }),
    terminal: false,
  },
)
say({ type: 'ended', code })
