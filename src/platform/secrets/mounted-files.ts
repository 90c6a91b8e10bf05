import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'
import { readSettled } from '../config/read-settled.ts'
import { SecretUnavailable } from './backend.ts'

/** A credential of more than this is a mistake. */
const maxBytes = 64 * 1024

/**
 * Reads mounted secrets (Docker, Kubernetes, CSI drivers), from the allowed directories alone: a model that somebody
 * adds over the API must not read any file of this machine. Symbolic links are followed first, then judged.
 */
export async function readSecretFile(path: string, directories: readonly string[]): Promise<string | undefined> {
  let real: string
  try {
    real = await realpath(path)
    const roots = await Promise.all(directories.map(directory => realpath(directory).catch(() => directory)))
    if (!roots.some(root => isInside(root, real))) {
      throw new SecretUnavailable(
        `${path} is outside the directories for secrets (${directories.join(', ')}); add its directory to routeiq.secrets.file_dirs.`,
      )
    }
    if ((await stat(real)).size > maxBytes) throw new SecretUnavailable(`${path} is larger than ${maxBytes} bytes.`)
    // Editors and `echo` end a file with a line break that is no part of the secret.
    const text = (await readSettled(real)).replace(/\r?\n$/, '')
    // Truncated, and not written yet: no secret is empty.
    return text === '' ? undefined : text
  } catch (error) {
    if (error instanceof SecretUnavailable) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new SecretUnavailable(`${path} cannot be read (${code ?? 'unknown reason'}).`)
  }
}

function isInside(directory: string, path: string): boolean {
  const rest = relative(directory, path)
  return rest !== '' && rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest)
}
