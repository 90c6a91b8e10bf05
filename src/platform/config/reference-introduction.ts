/** The hand-written top of `docs/config.md`. */
export const referenceIntroduction = `<!-- Made by scripts/generate-config-docs.ts from src/platform/config; do not edit. -->
# config.yaml

The format is LiteLLM's: a \`config.yaml\` of LiteLLM Proxy loads as it is. What this gateway adds stands under
\`routeiq\`. Times are seconds, prices US$.

## Smallest working examples

Without any key, the built-in demo model:

\`\`\`yaml
model_list:
  - model_name: demo
    litellm_params:
      model: demo/fast
\`\`\`

One vendor:

\`\`\`yaml
model_list:
  - model_name: gpt
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
\`\`\`

Two deployments of one group, another group as fallback:

\`\`\`yaml
model_list:
  - model_name: gpt
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 500 }
  - model_name: gpt
    litellm_params:
      model: azure/my-deployment
      api_base: https://my-resource.openai.azure.com
      api_version: "2024-10-21"
      api_key: os.environ/AZURE_API_KEY
      rpm: 1000
    model_info: { base_model: azure/gpt-4o }
  - model_name: claude
    litellm_params: { model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY }
router_settings:
  num_retries: 2
  fallbacks:
    - gpt: [claude]
\`\`\`

A model on your own machine. Private addresses are refused unless they are listed:

\`\`\`yaml
model_list:
  - model_name: local
    litellm_params: { model: ollama_chat/llama3.1, api_base: http://localhost:11434 }
routeiq:
  egress:
    allow_hosts: [localhost]
    allow_cidrs: [127.0.0.1/32]
\`\`\`

\`routeiq init\` writes a commented file to start from; \`routeiq check config.yaml\` checks one and explains what it does.
For completion in an editor, point it at \`docs/config.schema.json\`.

## Values from the environment

A value that is \`os.environ/NAME\` as a whole is replaced by that variable, anywhere in the file, also where a number or
a switch is expected. A variable that is not set is an error with its place in the file. \`environment_variables\` adds
variables before that; they beat those of the process. The value of a variable never appears in a message.

## Several files

\`include: [models.yaml, teams/a.yaml]\` merges other files, relative to the file that names them: lists are appended,
maps are merged. Where both set the same value the included file wins, with a warning. Included files may include others,
ten deep.

## Precedence

\`litellm_params\` of a deployment beat \`router_settings\`, which beat the same key in \`litellm_settings\`.

## When it does not load

Everything that is wrong is reported at once, with file, line and column:

\`\`\`text
config.yaml:14:3: error: router_settings.routing_stratgy: unknown key; did you mean "routing_strategy"?
config.yaml:21:15: error: model_list[1].litellm_params.api_key: the environment variable AZURE_API_KEY is not set
\`\`\`

| What you see | What to do |
|---|---|
| \`unknown key; did you mean …\` | Correct the spelling. While migrating, the flag that turns unknown keys into warnings gets you started. |
| \`unknown key; it belongs in …\` | Move the key to the section named. |
| \`known, not active yet in this version\` | A warning: the key is LiteLLM's, the capability is not here yet. “NOT enforced” marks limits and protections: do not rely on them. |
| \`has no effect here: …\` | A warning: nothing for the key to act on; remove it. |
| \`the environment variable … is not set\` | Set it where the gateway is started, or under \`environment_variables\`. |
| \`expected number, got text (from os.environ/…)\` | The variable holds something else than the key needs. |
| \`the key … stands twice in this map\` | YAML would silently use one of them; remove the other. |
| \`no model group is called …\` | A fallback or alias points nowhere. |

With \`router_settings.ignore_invalid_deployments: true\` a broken \`model_list\` entry is skipped with a warning and the rest
is served.

## Reload

The files are watched; a change is checked and then takes effect at once, for new calls. Calls in flight finish with the
configuration they began with. A change that does not load leaves everything as it was and is reported. \`SIGHUP\` and
\`POST /config/reload\` do the same on demand.
`
