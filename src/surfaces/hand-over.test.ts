import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { handOver } from './hand-over.ts'

const open: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map(app => app.close()))
})

const silent = { error: () => undefined }

/** One that has `/call`, in front of one that has `/keys/:id`. @param failures of the first attempts to make it */
async function serve({ failures = 0 } = {}): Promise<{ url: string; made: () => number }> {
  const app = Fastify()
  open.push(app)
  app.get('/call', () => 'called')
  let made = 0
  handOver(
    app,
    async () => {
      if (++made <= failures) throw new Error('not now')
      const second = Fastify()
      second.post('/keys/:id', request => ({ params: request.params, body: request.body }))
      second.setNotFoundHandler((_request, reply) => reply.code(404).send('nothing here'))
      return second
    },
    silent,
  )
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), made: () => made }
}

const post = (url: string): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' })

describe('a server with a second one behind it', () => {
  it('makes that when a request comes that it has no route for, and once', async () => {
    const { url, made } = await serve()
    expect(await (await fetch(`${url}/call`)).text()).toBe('called')
    expect(made()).toBe(0)
    const answers = await Promise.all(['1', '2', '3'].map(id => post(`${url}/keys/${id}`)))
    // The body arrives whole: nobody read it before.
    expect(await Promise.all(answers.map(answer => answer.json()))).toEqual(
      ['1', '2', '3'].map(id => ({ params: { id }, body: { a: 1 } })),
    )
    expect(made()).toBe(1)
  })

  it('lets it say that there is nothing', async () => {
    const { url } = await serve()
    const answer = await post(`${url}/other`)
    expect([answer.status, await answer.text()]).toEqual([404, 'nothing here'])
  })

  it('says so when it cannot be made, and tries again', async () => {
    const { url, made } = await serve({ failures: 1 })
    const refused = await post(`${url}/keys/1`)
    expect([refused.status, await refused.json()]).toEqual([
      500,
      { error: { message: expect.stringContaining('cannot load') } },
    ])
    expect((await post(`${url}/keys/1`)).status).toBe(200)
    expect(made()).toBe(2)
  })

  it('closes it with itself: no connection is kept for a next request', async () => {
    const { url } = await serve()
    expect((await post(`${url}/keys/1`)).headers.get('connection')).toBe('keep-alive')
    const [app] = open.splice(0)
    await app?.close()
    await expect(post(`${url}/keys/1`)).rejects.toThrow()
  })
})
