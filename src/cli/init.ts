import { existsSync, writeFileSync } from 'node:fs'
import { configTemplate } from '../platform/config/template.ts'

/** Writes a commented config to start from. @returns the exit code. */
export function init(file: string, force: boolean): number {
  if (existsSync(file) && !force) {
    process.stderr.write(`routeiq: ${file} exists; give another name or --force to overwrite it.\n`)
    return 1
  }
  writeFileSync(file, configTemplate)
  process.stdout.write(`Wrote ${file}. Next:\n  routeiq check ${file}\n  routeiq --config ${file}\n`)
  return 0
}
