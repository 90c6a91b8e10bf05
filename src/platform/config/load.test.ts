import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { demoConfig } from './demo.ts'
import { requestDefaults } from './deployment-params.ts'
import { explainConfig } from './explain.ts'
import { type LoadOptions, loadConfig, parseConfig } from './load.ts'
import { ConfigError } from './problem.ts'
import { configTemplate } from './template.ts'

const root = resolve(import.meta.dirname, '../../..')
const model = 'model_list:\n  - model_name: m\n    litellm_params: {model: openai/m}\n'

function problemsOf(text: string, options: LoadOptions = {}) {
  try {
    return parseConfig(text, { env: {}, ...options }).warnings
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

const lines = (text: string, options?: LoadOptions) =>
  problemsOf(text, options).map(p => `${p.line}:${p.column} ${p.severity} ${p.path}: ${p.message}`)

const files = (map: Record<string, string>) => async (path: string) => {
  const text = map[path]
  if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' })
  return text
}

describe('documented configs', async () => {
  const env = Object.fromEntries(
    ['OPENAI', 'AZURE', 'ANTHROPIC', 'GEMINI'].map(vendor => [`${vendor}_API_KEY`, `secret-of-${vendor}`]),
  )
  Object.assign(env, {
    AZURE_API_BASE: 'https://x.openai.azure.com',
    AZURE_API_VERSION: '2024-10-21',
    AZURE_RPM: '200',
    REDIS_HOST: '127.0.0.1',
    REDIS_PASSWORD: 'secret-of-redis',
    DATABASE_URL: 'postgres://u:secret-of-database@127.0.0.1/db',
  })
  env['LITELLM_MASTER_KEY'] = 'secret-of-master'
  for (const folder of ['test/configs', 'examples']) {
    const names = (await readdir(resolve(root, folder))).filter(name => name.endsWith('.yaml'))
    it.each(names)(`${folder}/%s loads and is explained without a secret`, async name => {
      const loaded = await loadConfig(resolve(root, folder, name), { env })
      expect(loaded.config.model_list.length).toBeGreaterThan(0)
      const text = explainConfig(loaded)
      expect(text).toContain(loaded.config.model_list[0]!.model_name)
      expect(text + JSON.stringify(loaded.config)).not.toMatch(/secret-of|sk-1234/)
    })
  }
  it('there are at least ten', async () => {
    expect((await readdir(resolve(root, 'test/configs'))).length).toBeGreaterThanOrEqual(10)
  })
  it('merge keys, environment and includes reach the values', async () => {
    const latency = await loadConfig(resolve(root, 'test/configs/07-latency.yaml'), { env })
    expect(latency.config.model_list[1]).toMatchObject({
      model_name: 'gpt-4o',
      litellm_params: { model: 'azure/us', api_version: '2024-10-21' },
    })
    const include = await loadConfig(resolve(root, 'test/configs/12-include.yaml'), { env })
    expect(include.config.model_list.map(entry => entry.model_name)).toEqual(['gpt-4o', 'claude'])
    expect(include.config.router_settings).toMatchObject({ num_retries: 4, fallbacks: [{ 'gpt-4o': ['claude'] }] })
    expect(include.config.model_list[0]!.litellm_params.api_key?.reveal()).toBe('secret-of-OPENAI')
    expect(include.files.map(file => file.slice(root.length))).toEqual([
      '/test/configs/12-include.yaml',
      '/test/configs/includes/models.yaml',
    ])
  })
  it('the template and the demo load without a warning', () => {
    expect(problemsOf(configTemplate)).toEqual([])
    // What the template suggests in comments must hold as well.
    const active = configTemplate.replace(/^(\s*)# (?=\s*(- )?[a-z_]+: ?)/gm, '$1').replace(/^yaml-language.*$/m, '')
    const template = parseConfig(active, { env })
    expect(template.warnings).toEqual([])
    expect(template.config.model_list).toHaveLength(6)
    expect(template.config.routeiq.egress.allow_hosts).toEqual(['localhost'])
    const demo = demoConfig({ env: {} })
    expect(demo.warnings).toEqual([])
    expect(demo.config.model_list.map(entry => entry.model_name)).toEqual(['demo-fast', 'demo-smart', 'demo-tools'])
  })
})

describe('problems', () => {
  it('unknown keys: nearest key, right section, place', () => {
    const text = `${model}router_settings:\n  routing_stratgy: x\n  drop_params: true\nlitelm_settings: {}\n  \n`
    expect(lines(text)).toEqual([
      '5:3 error router_settings.routing_stratgy: unknown key; did you mean "routing_strategy"?',
      '6:3 error router_settings.drop_params: unknown key; it belongs in model_list.litellm_params or litellm_settings or router_settings.default_litellm_params',
      '7:1 error litelm_settings: unknown key; did you mean "litellm_settings"?',
    ])
    expect(problemsOf(text, { strict: false }).map(problem => problem.severity)).toEqual([
      'warning',
      'warning',
      'warning',
    ])
  })
  it('open sections: near misses are errors, the rest is passed on', () => {
    const text = (key: string) => `model_list:\n- model_name: m\n  litellm_params:\n    model: x\n    ${key}: 1\n`
    expect(lines(text('temprature'))).toEqual([
      '5:5 error model_list[0].litellm_params.temprature: unknown key; did you mean "temperature"?',
    ])
    expect(lines(text('aws_new_thing'))).toEqual([
      '5:5 warning model_list[0].litellm_params.aws_new_thing: known, not active yet in this version',
    ])
    const passed = parseConfig(text('vendor_field'), { env: {} }).config.model_list[0]!.litellm_params
    expect(requestDefaults(passed)).toEqual({ vendor_field: 1 })
    const kept = parseConfig(text('temprature'), { env: {}, strict: false })
    expect(requestDefaults(kept.config.model_list[0]!.litellm_params)).toEqual({ temprature: 1 })
  })
  it('later and ignored keys say so and do not reach the config', () => {
    const text = `${model}general_settings: {custom_key_policy: os.environ/NO, litellm_license: x}\nguardrails:\n- {a: 1}\n`
    expect(lines(text)).toEqual([
      '4:20 warning general_settings.custom_key_policy: known, not active yet in this version; it is NOT enforced',
      '4:54 warning general_settings.litellm_license: has no effect here: every feature is open; no licence is read',
      '5:1 warning guardrails: known, not active yet in this version; it is NOT enforced',
    ])
    expect(parseConfig(text, { env: {} }).config).not.toHaveProperty('guardrails')
  })
  it('all at once, values at their place, no secret shown', () => {
    const text = [
      'model_list:',
      '  - model_name: m',
      '    litellm_params:',
      '      model: os.environ/MISSING',
      '      rpm: os.environ/SECRET',
      '      timeout: soon',
      '  - litellm_params: {model: x}',
      'router_settings:',
      '  routing_strategy: simple-shufle',
      '  cooldown_time: -1',
      '  fallbacks: {a: [b]}',
      '',
    ].join('\n')
    const found = lines(text, { env: { SECRET: 'hunter2' } })
    expect(found.slice(0, 4)).toEqual([
      '4:14 error model_list[0].litellm_params.model: the environment variable MISSING is not set',
      '5:12 error model_list[0].litellm_params.rpm: expected number, got text (from os.environ/SECRET)',
      '6:16 error model_list[0].litellm_params.timeout: expected number, got text',
      '7:5 error model_list[1].model_name: required: text',
    ])
    expect(found[4]).toMatch(/^9:21 error .*got "simple-shufle"; did you mean "simple-shuffle"\?$/)
    expect(found[5]).toBe('10:18 error router_settings.cooldown_time: must be at least 0')
    expect(found[6]).toMatch(/^11:14 error router_settings.fallbacks: expected list of .* got a map$/)
    expect(found).toHaveLength(7)
    expect(found.join()).not.toContain('hunter2')
    const enumFromEnv = lines(`${model}router_settings: {routing_strategy: os.environ/SECRET}`, {
      env: { SECRET: 'hunter2' },
    })
    expect(enumFromEnv.join()).toMatch(/got text \(from os\.environ\/SECRET\)/)
    expect(enumFromEnv.join()).not.toContain('hunter2')
    expect(lines('model_list: os.environ/MISSING')[0]).toMatch(
      /^1:13 error model_list: the environment variable MISSING/,
    )
  })
  it('references: fallbacks, aliases, ids', () => {
    const text = `model_list:
- {model_name: gpt-4o, litellm_params: {model: x}, model_info: {id: one}}
- {model_name: vendor/*, litellm_params: {model: vendor/*}, model_info: {id: one}}
router_settings:
  fallbacks: [{gpt-4o: [vendor/a, gpt4o, one]}]
  model_group_alias: {x: nowhere}
`
    expect(lines(text)).toEqual([
      `3:${text.split('\n')[2]!.indexOf('one}') + 1} error model_list[1].model_info.id: model_list[0] has the same id; ids must differ`,
      '5:35 warning router_settings.fallbacks[0].gpt-4o[1]: no model group is called "gpt4o"; did you mean "gpt-4o"?',
      '6:26 warning router_settings.model_group_alias.x: no model group is called "nowhere"',
    ])
  })
  it('ignore_invalid_deployments skips the entry and says so', () => {
    const text = `model_list:
- {model_name: a, litellm_params: {model: x, api_key: os.environ/GONE}}
- {model_name: b, litellm_params: {model: y}}
router_settings: {ignore_invalid_deployments: true}
`
    const { config, warnings } = parseConfig(text, { env: {} })
    expect(config.model_list.map(entry => entry.model_name)).toEqual(['b'])
    expect(warnings[0]!.message).toBe('the environment variable GONE is not set; this deployment is skipped')
    expect(() => parseConfig(text.replace('true', 'false'), { env: {} })).toThrow(ConfigError)
  })
  it('YAML faults: syntax, duplicates, wrong roots, self-containing aliases', () => {
    expect(lines('a: [1\nb: 2')[0]).toMatch(/^2:\d+ error : not valid YAML/)
    expect(lines(`${model}include: x.yaml`)[0]).toMatch(/^4:1 error include/)
    expect(lines(`${model}routeiq: {}\nrouteiq: {}\n`)[0]).toMatch(/^5:1 error : the key "routeiq" stands twice/)
    expect(lines('- 1')[0]).toMatch(/error : a config is a map of sections/)
    expect(lines('model_list: &a\n  - *a\n')[0]).toMatch(/nested too deeply/)
    const bomb = `a: &a [1,1,1,1,1,1,1,1,1]\n${'bcdefghij'
      .split('')
      .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[i]}`).join()}]\n`)
      .join('')}`
    expect(lines(bomb).join()).toMatch(/too large/)
  })
  it('reads scalars as LiteLLM users write them', () => {
    const { config } = parseConfig(
      `${model}router_settings: {timeout: "30", num_retries: "1_0", default_fallbacks: m}\nlitellm_settings: {drop_params: yes, fallbacks: }\ngeneral_settings: {master_key: 1234}`,
      { env: {} },
    )
    expect(config.router_settings).toMatchObject({ timeout: 30, num_retries: 10, default_fallbacks: ['m'] })
    expect(config.litellm_settings.drop_params).toBe(true)
    expect(config.litellm_settings.fallbacks).toBeUndefined()
    expect(config.general_settings.master_key?.reveal()).toBe('1234')
  })
})

describe('include', () => {
  const load = (map: Record<string, string>) => loadConfig('/c/main.yaml', { env: {} }, files(map))
  it('merges relative to the including file, keeps places, warns of conflicts', async () => {
    const loaded = await load({
      '/c/main.yaml': `include: [sub/a.yaml]\n${model}router_settings: {timeout: 1}`,
      '/c/sub/a.yaml': 'include: b.yaml\nrouter_settings: {timeout: 2, num_retries: 1}',
      '/c/sub/b.yaml': model.replace('name: m', 'name: n'),
    })
    expect(loaded.config.model_list.map(entry => entry.model_name)).toEqual(['m', 'n'])
    expect(loaded.config.router_settings).toMatchObject({ timeout: 2, num_retries: 1 })
    expect(loaded.files).toEqual(['/c/main.yaml', '/c/sub/a.yaml', '/c/sub/b.yaml'])
    expect(loaded.warnings.map(w => `${w.file}:${w.line} ${w.message}`)).toEqual([
      '/c/main.yaml:5 set here and in /c/sub/a.yaml:2; the included file wins',
    ])
  })
  it('reports cycles, missing files and errors inside the included file; names all files to watch', async () => {
    const error = await load({
      '/c/main.yaml': 'include: [a.yaml, gone.yaml]',
      '/c/a.yaml': 'include: [main.yaml]\nmodel_list:\n- model_name: a',
    }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConfigError)
    const { problems, files: watched } = error as ConfigError
    const text = problems.map(p => `${p.file}:${p.line}:${p.column} ${p.message}`)
    expect(text).toContain('/c/main.yaml:1:19 cannot read /c/gone.yaml: no such file')
    expect(text).toContain('/c/a.yaml:3:3 required: map')
    expect(text.some(line => line.includes('includes itself'))).toBe(true)
    expect(watched).toEqual(['/c/main.yaml', '/c/a.yaml', '/c/gone.yaml'])
  })
  it('a missing config is a ConfigError', async () => {
    await expect(load({})).rejects.toThrow(/cannot read the config: no such file/)
  })
})

describe('hash', () => {
  const hash = (text: string, env = {}) => parseConfig(text, { env }).hash
  it('depends on the resolved content, not on spelling', () => {
    const a = hash(`${model}router_settings: {timeout: 1, num_retries: 2}`)
    expect(a).toMatch(/^[0-9a-f]{12}$/)
    expect(hash(`# note\nrouter_settings: {num_retries: 2, timeout: 1.0}\n${model}`)).toBe(a)
    expect(hash(`${model}router_settings: {timeout: 2, num_retries: 2}`)).not.toBe(a)
    const keyed = `${model}general_settings: {master_key: os.environ/K}`
    expect(hash(keyed, { K: 'a' })).not.toBe(hash(keyed, { K: 'b' }))
  })
})

describe('never throws anything but ConfigError', () => {
  const survives = (text: string) => {
    for (const strict of [true, false]) {
      try {
        explainConfig(parseConfig(text, { env: { A: '1' }, strict }))
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
        error.format()
        for (const problem of error.problems) {
          if (!(problem.line >= 1 && problem.column >= 1)) throw new Error(`no place: ${JSON.stringify(problem)}`)
        }
      }
    }
  }
  const word = fc.constantFrom(
    ...['model_list', 'model_name', 'litellm_params', 'model', 'model_info', 'id', 'router_settings', 'fallbacks'],
    ...[
      'model_group_alias',
      'environment_variables',
      'include',
      'routeiq',
      'egress',
      'retry_policy',
      'rpm',
      '__proto__',
    ],
    ...['constructor', 'toString', 'hasOwnProperty', '', '<<', 'os.environ/A', 'os.environ/B', 'general_settings'],
  )
  const tree = fc.letrec(tie => ({
    node: fc.oneof({ maxDepth: 5 }, tie('leaf'), tie('map'), fc.array(tie('node'), { maxLength: 4 })),
    leaf: fc.oneof(word, fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.integer()),
    map: fc.dictionary(fc.oneof({ weight: 5, arbitrary: word }, fc.string()), tie('node'), { maxKeys: 5 }),
  })).map
  it('on trees of known and unknown words', () => {
    fc.assert(
      fc.property(tree, value => survives(stringify(value))),
      { numRuns: 500 },
    )
  })
  it('on any text', () => {
    const piece = fc.oneof(
      word,
      fc.constantFrom(': ', '\n', '  ', '- ', '&a ', '*a', '{', '}', '[', ']', '"', '!!binary ', '? ', '|', '#'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), pieces => survives(pieces.join(''))),
      { numRuns: 500 },
    )
  })
})
