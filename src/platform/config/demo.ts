import { type LoadedConfig, type LoadOptions, parseConfig } from './load.ts'

/** What is served without a config: three models that answer from inside the process. No key, no network. */
export const demoConfigText = `# Built-in demo: models that answer without any vendor.
model_list:
  - model_name: demo-fast
    litellm_params:
      model: demo/fast
      words_per_second: 200
    model_info:
      id: demo-fast-1
      mode: chat
      input_cost_per_token: 0.0000001
      output_cost_per_token: 0.0000004
  - model_name: demo-smart
    litellm_params:
      model: demo/smart
      words_per_second: 40
    model_info:
      id: demo-smart-1
      mode: chat
      supports_reasoning: true
      input_cost_per_token: 0.000003
      output_cost_per_token: 0.000015
  - model_name: demo-tools
    litellm_params:
      model: demo/tools
      words_per_second: 100
    model_info:
      id: demo-tools-1
      mode: chat
      supports_function_calling: true
      input_cost_per_token: 0.0000005
      output_cost_per_token: 0.000002
router_settings:
  fallbacks:
    - demo-smart: [demo-fast]
`

export function demoConfig(options: LoadOptions = {}): LoadedConfig {
  return parseConfig(demoConfigText, { ...options, file: 'demo' })
}
