import type { Door } from '../../pipeline/door.ts'
import type { Gateway } from '../../pipeline/gateway.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Route } from '../route.ts'
import { serve } from '../serve.ts'
import { chatDoor, completionsDoor, embeddingsDoor } from './doors.ts'
import { listModels, showModel } from './models.ts'

const operations: Readonly<Record<string, Door>> = {
  'chat/completions': chatDoor,
  completions: completionsDoor,
  embeddings: embeddingsDoor,
}

/** The OpenAI surface under every path prefix LiteLLM serves it. */
export function openaiRoutes(gateway: Gateway): Route[] {
  const routes: Route[] = Object.entries(operations).map(([operation, door]) => ({
    method: 'POST',
    paths: [`/v1/${operation}`, `/${operation}`, `/openai/v1/${operation}`],
    permission: 'llm',
    dialect: 'openai',
    answer: call => serve(gateway, door, call, undefined),
  }))
  // Model names may hold slashes, so the model is cut out of the path here and not by the router.
  for (const prefix of ['/openai/deployments/', '/engines/', '/v1/engines/']) {
    routes.push({
      method: 'POST',
      paths: [`${prefix}*`],
      permission: 'llm',
      dialect: 'openai',
      answer(call) {
        const { door, model } = deploymentPath(call.rest)
        serve(gateway, door, call, model)
      },
    })
  }
  routes.push(
    {
      method: 'GET',
      paths: ['/v1/models', '/models', '/openai/v1/models'],
      permission: 'llm',
      dialect: 'openai',
      handle: ({ request }) => listModels(gateway, request),
    },
    {
      method: 'GET',
      paths: ['/v1/models/*', '/models/*', '/openai/v1/models/*'],
      permission: 'llm',
      dialect: 'openai',
      handle: ({ request }) => showModel(gateway, request),
    },
  )
  return routes
}

function deploymentPath(rest: string): { door: Door; model: string } {
  for (const [operation, door] of Object.entries(operations)) {
    if (rest.endsWith(`/${operation}`) && rest.length > operation.length + 1) {
      return { door, model: rest.slice(0, -operation.length - 1) }
    }
  }
  throw new GatewayError('route_not_found', 'The path must end in /chat/completions, /completions or /embeddings.')
}
