import type { Plugin } from 'rolldown'

/**
 * Parts of Fastify that it loads and this gateway never calls: its routes have no JSON schemas (bodies are checked by the
 * surfaces), and nothing is injected past the socket. A quarter of all code that a start would load.
 */
const unused = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request']

/** Puts in their place a function that says so when it is called after all. */
export function leftOut(): Plugin {
  return {
    name: 'left-out',
    resolveId: id => (unused.includes(id) ? `\0left-out:${id}` : null),
    load: id =>
      id.startsWith('\0left-out:')
        ? `module.exports = () => () => { throw new Error('${id.slice(10)} is left out of this build') }`
        : null,
  }
}
