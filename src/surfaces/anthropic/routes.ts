import type { Gateway } from '../../pipeline/gateway.ts'
import type { Route } from '../route.ts'
import { serve } from '../serve.ts'
import { countTokensDoor, messagesDoor } from './doors.ts'

export function anthropicRoutes(gateway: Gateway): Route[] {
  return [
    {
      method: 'POST',
      paths: ['/v1/messages', '/anthropic/v1/messages'],
      permission: 'llm',
      dialect: 'anthropic',
      answer: call => serve(gateway, messagesDoor, call, undefined),
    },
    {
      method: 'POST',
      paths: ['/v1/messages/count_tokens', '/anthropic/v1/messages/count_tokens'],
      permission: 'llm',
      dialect: 'anthropic',
      answer: call => serve(gateway, countTokensDoor, call, undefined),
    },
  ]
}
