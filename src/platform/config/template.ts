/** What `routeiq init` writes: runs as it is (demo model), shows the usual next steps as comments. */
export const configTemplate = `# RouteIQ Gateway configuration. The format is LiteLLM's config.yaml.
# yaml-language-server: $schema=https://unpkg.com/routeiq/docs/config.schema.json
#
#   routeiq check config.yaml       checks it and explains what it does
#   routeiq --config config.yaml    serves it; edits are picked up while running
#
# Every key with type and default: docs/config.md

model_list:
  # A model group is one public name; entries with the same name share its traffic.
  - model_name: demo
    litellm_params:
      model: demo/fast # answers from inside the gateway: no key, no cost

  # - model_name: gpt
  #   litellm_params:
  #     model: openai/gpt-4o
  #     api_key: os.environ/OPENAI_API_KEY # read from the environment, never written here
  #     rpm: 500 # share of the group's traffic
  # - model_name: gpt
  #   litellm_params:
  #     model: azure/my-gpt-4o-deployment
  #     api_base: https://my-resource.openai.azure.com
  #     api_version: "2024-10-21"
  #     api_key: os.environ/AZURE_API_KEY
  #     rpm: 1000
  #   model_info:
  #     base_model: azure/gpt-4o # whose prices apply
  # - model_name: claude
  #   litellm_params:
  #     model: anthropic/claude-sonnet-4-5
  #     api_key: os.environ/ANTHROPIC_API_KEY
  # - model_name: gemini
  #   litellm_params:
  #     model: gemini/gemini-2.5-flash
  #     api_key: os.environ/GEMINI_API_KEY
  # - model_name: local
  #   litellm_params:
  #     model: ollama_chat/llama3.1
  #     api_base: http://localhost:11434 # needs routeiq.egress below

router_settings:
  routing_strategy: simple-shuffle # least-busy, latency-based-routing, cost-based-routing, usage-based-routing-v2
  num_retries: 2
  timeout: 600 # seconds
  # enable_pre_call_checks: true # skip models whose context window is too small
  # fallbacks:
  #   - gpt: [claude, gemini]
  # context_window_fallbacks:
  #   - gpt: [gemini]

# litellm_settings:
#   drop_params: true # leave out request fields a model does not know, instead of refusing

# general_settings:
#   master_key: os.environ/LITELLM_MASTER_KEY # without one, a key is generated at every start

# routeiq:
#   egress: # private addresses are refused unless listed here
#     allow_hosts: [localhost]
#     allow_cidrs: [127.0.0.1/32]
`
