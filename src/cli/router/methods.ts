import { type Method, methods } from '../../learning/predictor.ts'
import { Misuse } from './misuse.ts'

/** `average`, `knn,ridge`, `all`. The recommended one stands first where it is asked for. @throws Misuse */
export function methodsOf(value: string | undefined): Method[] {
  if (value === undefined) return ['average']
  if (value === 'all') return [...methods]
  const names = value.split(',').map(name => name.trim().replace(/^llmrouter-/, ''))
  return names.map(name => {
    const method = methods.find(known => known === name)
    if (method === undefined) throw new Misuse(`--methods: there is no ${name}; known are all, ${methods.join(', ')}`)
    return method
  })
}
