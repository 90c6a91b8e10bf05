import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { settingInvalid } from './token-errors.ts'

export type LoadedFunction = (...given: readonly unknown[]) => unknown

/**
 * A function of the operator's: `./auth.js` (its default export) or `./auth.js:userApiKeyAuth`. ES modules; a changed file
 * is loaded anew when the configuration is.
 * @param directory of the configuration file
 * @throws GatewayError `config_invalid`
 */
export async function loadFunction(setting: string, reference: string, directory: string): Promise<LoadedFunction> {
  const match = /^(.+\.(?:js|mjs|ts|mts))(?::([\w$]+))?$/.exec(reference)
  if (match === null) {
    throw settingInvalid(
      `${setting}: '${reference}' names no ES module. Give a file, './auth.js' or './auth.js:functionName'; Python modules of LiteLLM have to be written anew.`,
    )
  }
  const [, path = '', name = 'default'] = match
  const file = resolve(directory, path)
  let exported: Record<string, unknown>
  try {
    const { mtimeMs } = statSync(file)
    exported = (await import(`${pathToFileURL(file).href}?changed=${mtimeMs}`)) as Record<string, unknown>
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : 'unknown reason'
    throw settingInvalid(`${setting}: ${path} cannot be loaded: ${reason}`)
  }
  const found = exported[name]
  if (typeof found !== 'function') {
    throw settingInvalid(
      name === 'default'
        ? `${setting}: ${path} has no default export that is a function. Name one: '${path}:functionName'.`
        : `${setting}: ${path} exports no function '${name}'.`,
    )
  }
  return (...given) => found(...given) as unknown
}

/** The function's answer, or a rejection when it takes longer. */
export async function withinTime<T>(work: Promise<T>, milliseconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds)
  })
  try {
    return await Promise.race([work, bound])
  } finally {
    clearTimeout(timer)
  }
}
