import { watchConfig } from '../platform/config/watch.ts'
import type { ServeOptions } from './arguments.ts'
import { banner } from './banner.ts'
import { listen, onStop, orExit, startKey } from './process.ts'
import { createRuntime } from './runtime.ts'

/** Starts the gateway: one process, or a primary with workers. Returns when it listens. */
export async function serve(options: ServeOptions): Promise<void> {
  if (options.workers === 1) return serveAlone(options)
  const { default: cluster } = await import('node:cluster')
  if (cluster.isPrimary) return (await import('./primary.ts')).runPrimary(options)
  return (await import('./worker.ts')).runWorker(options)
}

async function serveAlone(options: ServeOptions): Promise<void> {
  const { key, generated } = startKey(process.env)
  const runtime = await orExit(() => createRuntime(options, key, local => local))
  const { gateway, reloader } = runtime
  const url = await listen(runtime, options)
  const configured = gateway.snapshot.loaded.config.general_settings.master_key !== undefined
  process.stdout.write(
    banner({
      url,
      snapshot: gateway.snapshot,
      generatedKey: configured ? undefined : generated,
      workers: 1,
      demo: options.configPath === undefined,
    }),
  )
  const watch = watchConfig(reloader.files, () => reload())
  const reload = async (): Promise<void> => {
    await reloader.reload()
    watch.replace(reloader.files)
  }
  // An edit between the first read and the start of the watch would go unseen; the same content is no reload.
  void watch.ready.then(reload)
  process.on('SIGHUP', () => void reload())
  onStop(async () => {
    watch.close()
    await runtime.close()
  })
}
