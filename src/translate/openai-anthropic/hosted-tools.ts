/** Tools that Anthropic runs or defines itself, and the beta headers they need (SDK 1.12: the rest is GA). */
import { isObject } from './types.ts'

const betas = [
  ['computer_20241022', 'computer-use-2024-10-22'],
  ['bash_20241022', 'computer-use-2024-10-22'],
  ['text_editor_20241022', 'computer-use-2024-10-22'],
  ['computer_20250124', 'computer-use-2025-01-24'],
  ['computer_20251124', 'computer-use-2025-11-24'],
  ['code_execution_20250522', 'code-execution-2025-05-22'],
  ['advisor_20260301', 'advisor-tool-2026-03-01'],
  ['mcp_toolset', 'mcp-client-2025-11-20'],
] as const

export function betaOfTool(type: string): string | undefined {
  return betas.find(([tool]) => tool === type)?.[1]
}

/** `search_context_size` → how often the model may search (LiteLLM's table). */
const searches: Readonly<Record<string, number>> = { low: 1, medium: 5, high: 10 }

/** OpenAI's `web_search_options` (or its hosted tool of the same content) → the web search tool. */
export function webSearchTool(options: unknown): Record<string, unknown> {
  const tool: Record<string, unknown> = { type: 'web_search_20250305', name: 'web_search' }
  if (!isObject(options)) return tool
  const size = options['search_context_size']
  const uses = typeof size === 'string' ? searches[size] : undefined
  if (uses !== undefined) tool['max_uses'] = uses
  const location = options['user_location']
  if (!isObject(location)) return tool
  // Chat completions nests the place under `approximate`, the Responses tool does not.
  const place = isObject(location['approximate']) ? location['approximate'] : location
  const approximate: Record<string, unknown> = { type: 'approximate' }
  for (const key of ['city', 'region', 'country', 'timezone']) {
    if (typeof place[key] === 'string') approximate[key] = place[key]
  }
  tool['user_location'] = approximate
  return tool
}

/** OpenAI's `mcp` tool → an entry of `mcp_servers`. */
export function mcpServer(tool: Record<string, unknown>): Record<string, unknown> {
  const server: Record<string, unknown> = { type: 'url', url: tool['server_url'], name: tool['server_label'] }
  const allowed = tool['allowed_tools']
  const names = isObject(allowed) ? allowed['tool_names'] : allowed
  if (Array.isArray(names)) server['tool_configuration'] = { enabled: true, allowed_tools: names }
  const token = bearerOf(tool)
  if (token !== undefined) server['authorization_token'] = token
  return server
}

export const mcpBeta = 'mcp-client-2025-04-04'

function bearerOf(tool: Record<string, unknown>): string | undefined {
  if (typeof tool['authorization'] === 'string') return tool['authorization']
  const headers = tool['headers']
  if (!isObject(headers)) return undefined
  for (const name in headers) {
    const value = headers[name]
    if (name.toLowerCase() !== 'authorization' || typeof value !== 'string') continue
    return value.toLowerCase().startsWith('bearer ') ? value.slice(7).trim() : value
  }
  return undefined
}
