#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { parseArguments } from './arguments.ts'
import { applyMemorySettings } from './launch.ts'

const parsed = parseArguments(process.argv.slice(2), process.env)
if (parsed.command === 'serve') applyMemorySettings()
// Compiled code is kept between starts; it halves the time to the first answer.
enableCompileCache()

switch (parsed.command) {
  case 'serve': {
    const { serve } = await import('./serve.ts')
    await serve(parsed.options)
    break
  }
  case 'check': {
    const { check } = await import('./check.ts')
    process.exitCode = await check(parsed.file, parsed.strict)
    break
  }
  case 'audit': {
    const { audit } = await import('./audit.ts')
    process.exitCode = await audit(parsed.args, process.env)
    break
  }
  case 'import': {
    const { runImport } = await import('./import.ts')
    process.exitCode = await runImport(parsed.args, process.env)
    break
  }
  case 'router': {
    const { router } = await import('./router/router.ts')
    process.exitCode = await router(parsed.args, process.env)
    break
  }
  case 'init': {
    const { init } = await import('./init.ts')
    process.exitCode = init(parsed.file, parsed.force)
    break
  }
  case 'print':
    process.stdout.write(parsed.text)
    break
  case 'misuse':
    process.stderr.write(parsed.text)
    process.exitCode = 2
    break
}
