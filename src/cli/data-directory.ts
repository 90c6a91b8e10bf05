import { createHash } from 'node:crypto'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

export interface DataDirectory {
  readonly path: string
  /** Why it is not where it was wanted. */
  readonly warning: string | undefined
}

/**
 * Where this gateway keeps what must survive its end: the embedded database and the journal of calls. Beside the config,
 * unless configured; where that cannot be written (a mounted ConfigMap) in the system's temporary folder, with a warning.
 * @param configured `routeiq.data_directory` or ROUTEIQ_DATA_DIR
 */
export function dataDirectory(configPath: string | undefined, configured: string | undefined): DataDirectory {
  if (configured !== undefined) {
    makePrivate(configured)
    return { path: resolve(configured), warning: undefined }
  }
  // The demo keeps nothing beside whatever folder it was started in.
  if (configPath === undefined) return { path: temporary(`demo ${process.cwd()}`), warning: undefined }
  const wanted = join(dirname(resolve(configPath)), '.routeiq')
  try {
    makePrivate(wanted)
    return { path: wanted, warning: undefined }
  } catch {
    const path = temporary(resolve(configPath))
    return {
      path,
      warning: `${wanted} cannot be written; data is kept in ${path}, which the system may empty. Set routeiq.data_directory.`,
    }
  }
}

/** The same folder for the same config, so that a restart finds its journal. */
function temporary(name: string): string {
  const path = join(
    tmpdir(),
    `routeiq-${createHash('sha256')
      .update(`${process.getuid?.() ?? ''} ${name}`)
      .digest('hex')
      .slice(0, 12)}`,
  )
  makePrivate(path)
  return path
}

function makePrivate(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  accessSync(path, constants.W_OK | constants.X_OK)
}
