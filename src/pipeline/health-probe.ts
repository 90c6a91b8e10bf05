import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { UpstreamRequest } from '../providers/wire.ts'
import type { Deployment } from './deployment.ts'
import { exchangeOnce } from './execution/exchange-once.ts'
import type { Gateway } from './gateway.ts'

export interface ProbeResult {
  readonly deployment: Deployment
  readonly latency: number
  /** Undefined when the deployment answered. */
  readonly error: GatewayError | undefined
}

/** Milliseconds a probe may take. */
const timeout = 15_000
const atOnce = 8

/** Asks each deployment a tiny question, a few at a time. Wildcards have no model to ask and are left out. */
export async function probeDeployments(gateway: Gateway, deployments: readonly Deployment[]): Promise<ProbeResult[]> {
  const queue = deployments.filter(deployment => !deployment.target.model.includes('*'))
  const results: ProbeResult[] = []
  const worker = async (): Promise<void> => {
    for (let deployment = queue.shift(); deployment !== undefined; deployment = queue.shift()) {
      results.push(await probe(gateway, deployment))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, queue.length) }, worker))
  return results
}

async function probe(gateway: Gateway, deployment: Deployment): Promise<ProbeResult> {
  const started = performance.now()
  let error: GatewayError | undefined
  try {
    const { wire, target } = deployment
    const answer = await exchangeOnce(gateway.egress.dispatcher(target.origin), probeRequest(deployment), {
      timeout,
      maxBytes: 1024 * 1024,
      vendor: target.vendor.name,
    })
    if (answer.status >= 300) error = wire.failure(answer.status, answer.headers, answer.text)
  } catch (caught) {
    if (!(caught instanceof GatewayError)) throw caught
    error = caught
  }
  return { deployment, latency: performance.now() - started, error }
}

function probeRequest({ wire, target }: Deployment): UpstreamRequest {
  if (target.capabilities.mode === 'embedding') {
    if (wire.embeddings === undefined) throw new GatewayError('unsupported_params', 'This wire has no embeddings.')
    return wire.embeddings({ model: target.model, input: 'ping' }, target).request
  }
  // Room for a model that thinks before its first word; the answer itself is not looked at.
  return wire.chat({ model: target.model, messages: [{ role: 'user', content: 'ping' }], max_tokens: 16 }, target)
    .request
}
