import type { Plugin } from 'rolldown'

/** What a library loads at once and this gateway never calls. */
interface Unused {
  readonly id: string
  /** Part of the path of those who ask for it. */
  readonly by: string
  readonly because: string
}

const unused: readonly Unused[] = [
  { id: '@fastify/ajv-compiler', by: '/fastify/', because: 'bodies are checked by the surfaces, not by Fastify' },
  {
    id: '@fastify/fast-json-stringify-compiler',
    by: '/fastify/',
    because: 'no route declares the shape of its answer',
  },
  { id: 'light-my-request', by: '/fastify/', because: 'requests come through sockets' },
  { id: 'node:http2', by: '/fastify/', because: 'the server speaks HTTP/1.1' },
  { id: 'node:https', by: '/fastify/', because: 'the server speaks plain HTTP' },
  { id: './client-h2.js', by: '/undici/', because: 'the outbound door speaks HTTP/1.1 (`allowH2: false`)' },
]

export const isLeftOut = (id: string, importer = ''): boolean =>
  unused.some(entry => entry.id === id && importer.includes(`/node_modules${entry.by}`))

/** Puts something in their place that can be loaded, and says what it is when it is called after all: −10 MB in all. */
export function leftOut(): Plugin {
  return {
    name: 'left-out',
    resolveId: (id, importer) => (isLeftOut(id, importer) ? `\0left-out:${id}` : null),
    load(id) {
      const entry = unused.find(({ id: name }) => id === `\0left-out:${name}`)
      if (entry === undefined) return null
      const message = JSON.stringify(`${entry.id} is not in this build: ${entry.because}`)
      return `module.exports = () => () => { throw new Error(${message}) }`
    },
  }
}
