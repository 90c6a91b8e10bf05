/**
 * What is used of `node:http`, taken without an import: an `import` of it reads every name the module has, `WebSocket` and
 * its kin too, and with them Node loads its own copy of undici: +12 MB of memory (measured with Node 24; types cost nothing).
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')
