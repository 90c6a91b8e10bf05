import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Logger } from '../platform/telemetry/logger.ts'

/**
 * Hands requests that `app` has no route for to a second server, which is made when the first of them comes and listens
 * nowhere itself. What it does not know either, it answers with 404.
 * @param make may fail; the next request tries again
 */
export function handOver(app: FastifyInstance, make: () => Promise<FastifyInstance>, log: Pick<Logger, 'error'>): void {
  let second: Promise<FastifyInstance> | undefined
  const started = async (): Promise<FastifyInstance> => {
    const made = await make()
    await made.ready()
    return made
  }
  app.register((scope, _options, done) => {
    // Before the body is read, which the second server does.
    scope.addHook('onRequest', async (request, reply) => {
      reply.hijack()
      second ??= started()
      try {
        const other = await second
        other.routing(request.raw, reply.raw)
      } catch (error) {
        second = undefined
        log.error({ err: error }, 'the management API cannot be loaded')
        unavailable(reply)
      }
    })
    scope.setNotFoundHandler((_request, reply) => reply)
    done()
  })
  // From then on it answers with `connection: close`, as the first does.
  app.addHook('preClose', async () => {
    await second?.then(
      other => other.close(),
      () => undefined,
    )
  })
}

function unavailable({ raw }: FastifyReply): void {
  raw.writeHead(500, { 'content-type': 'application/json' })
  raw.end('{"error":{"message":"The gateway cannot load this part of itself; its log says why."}}')
}
