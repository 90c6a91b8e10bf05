import { later, laterControl } from './section.ts'

/** Top-level sections of capabilities that do not exist yet. */
export const laterSections = {
  ...laterControl({
    guardrails: 'Checks on prompts and answers.',
    policies: 'Named bundles of guardrails.',
    policy_attachments: 'Where policies apply.',
  }),
  ...later({
    mcp_servers: 'MCP servers behind the gateway.',
    mcp_tools: 'Tools defined in the config.',
    vector_store_registry: 'Vector stores for retrieval.',
    search_tools: 'Web search providers.',
    agent_list: 'A2A agents behind the gateway.',
    credential_list: 'Named credentials that deployments refer to.',
    prompts: 'Managed prompts.',
    callback_settings: 'Settings of log integrations.',
    files_settings: 'Vendors of the files API.',
    finetune_settings: 'Vendors of the fine-tuning API.',
    assistant_settings: 'Vendor of the assistants API.',
    default_vertex_config: 'Default Google Cloud project for pass-through.',
    worker_registry: 'Workers of a control plane.',
  }),
}
