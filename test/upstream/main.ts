/** Runs the upstream as a program: `node test/upstream/main.ts --port 9001 [--host 127.0.0.1] [--fast]`. */
import { parseArgs } from 'node:util'
import { startFastUpstream } from './fast.ts'
import { startUpstream } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9001' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Fixed prebuilt answers for benchmarks: no checks, no faults, no recording. */
    fast: { type: 'boolean', default: false },
    chunks: { type: 'string', default: '100' },
  },
})

const port = Number(values.port)
const upstream = values.fast
  ? await startFastUpstream({ port, host: values.host, chunks: Number(values.chunks) })
  : await startUpstream({ port, host: values.host, keep: 1000 })
console.log(`listening on ${upstream.url}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void upstream.close().then(() => process.exit(0))
  })
}
