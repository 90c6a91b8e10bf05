import { describe, expect, it } from 'vitest'
import { parseArguments } from './arguments.ts'

const serve = (argv: string[], env: NodeJS.ProcessEnv = {}) => parseArguments(argv, env)
const options = (argv: string[], env: NodeJS.ProcessEnv = {}) => {
  const parsed = serve(argv, env)
  if (parsed.command !== 'serve') throw new Error(JSON.stringify(parsed))
  return parsed.options
}

describe('parseArguments', () => {
  it('serves the demo on this machine alone when nothing is said', () => {
    expect(options([])).toEqual({
      configPath: undefined,
      port: 4000,
      host: '127.0.0.1',
      workers: 1,
      debug: false,
      strict: true,
      rootPath: '',
    })
  })

  it('serves a config to everybody, and takes LiteLLM’s flags', () => {
    expect(
      options([
        'serve',
        '--config',
        'c.yaml',
        '--port',
        '0',
        '--num_workers',
        '3',
        '--detailed_debug',
        '--allow_unknown_keys',
      ]),
    ).toMatchObject({ configPath: 'c.yaml', port: 0, host: '0.0.0.0', workers: 3, debug: true, strict: false })
    expect(options(['-c', 'c.yaml', '--host', '::1', '--debug'])).toMatchObject({ host: '::1', debug: true })
  })

  it('takes what flags do not say from the environment', () => {
    const env = { CONFIG_FILE_PATH: 'e.yaml', PORT: '81', HOST: '10.0.0.1', NUM_WORKERS: '2', SERVER_ROOT_PATH: 'ai//' }
    expect(options([], env)).toMatchObject({
      configPath: 'e.yaml',
      port: 81,
      host: '10.0.0.1',
      workers: 2,
      rootPath: '/ai',
    })
    expect(options(['--config', 'c.yaml', '--port', '82', '--host', 'h', '--num_workers', '1'], env)).toMatchObject({
      configPath: 'c.yaml',
      port: 82,
      host: 'h',
      workers: 1,
    })
    expect(options([], { CONFIG_FILE_PATH: '' }).configPath).toBeUndefined()
    expect(options([], { SERVER_ROOT_PATH: '/' }).rootPath).toBe('')
  })

  it('knows check and init', () => {
    expect(serve(['check', 'c.yaml'])).toEqual({ command: 'check', file: 'c.yaml', strict: true })
    expect(serve(['check', '--config', 'c.yaml', '--allow_unknown_keys'])).toEqual({
      command: 'check',
      file: 'c.yaml',
      strict: false,
    })
    expect(serve(['check'], { CONFIG_FILE_PATH: 'e.yaml' })).toMatchObject({ file: 'e.yaml' })
    expect(serve(['init'])).toEqual({ command: 'init', file: 'config.yaml', force: false })
    expect(serve(['init', 'x.yaml', '--force'])).toEqual({ command: 'init', file: 'x.yaml', force: true })
    expect(serve(['--help', 'nonsense'])).toMatchObject({ command: 'print' })
    expect(serve(['-v'])).toMatchObject({ command: 'print', text: expect.stringMatching(/^\d/) })
  })

  it.each([
    [['--prot', '1']],
    [['--port']],
    [['--port', '-1']],
    [['--port', '65536']],
    [['--port', '4e3']],
    [['--num_workers', '257']],
    [['serve', 'c.yaml']],
    [['check']],
    [['check', 'a', 'b']],
    [['unknown']],
  ])('answers %j with the usage', argv => {
    expect(serve(argv)).toMatchObject({
      command: 'misuse',
      text: expect.stringMatching(/^routeiq: .+\n\n.*AI gateway/s),
    })
  })
})
