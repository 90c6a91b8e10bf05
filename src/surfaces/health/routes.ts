import type { Principal } from '../../governance/authentication/principal.ts'
import type { Deployment } from '../../pipeline/deployment.ts'
import type { Gateway } from '../../pipeline/gateway.ts'
import { type ProbeResult, probeDeployments } from '../../pipeline/health-probe.ts'
import { mayUse } from '../../pipeline/identity/authorize-model.ts'
import { version } from '../../platform/version.ts'
import type { Route, RouteContext } from '../route.ts'

/** Load balancers and orchestrators ask from wherever they are. */
const open = { method: 'GET', permission: 'public', dialect: 'openai', anywhere: 'everybody' } as const

const guarded = { method: 'GET', dialect: 'openai' } as const

/** LiteLLM's health paths and RouteIQ's own. */
export function healthRoutes(gateway: Gateway): Route[] {
  return [
    { ...open, paths: ['/health/liveliness', '/health/liveness'], handle: () => '"I\'m alive!"' },
    { ...open, paths: ['/_health/live'], handle: () => ({ status: 'alive', service: 'routeiq' }) },
    { ...open, paths: ['/health/readiness', '/_health/ready'], handle: context => readiness(gateway, context) },
    { ...guarded, paths: ['/_health/models'], permission: 'llm', handle: ({ identity }) => models(gateway, identity) },
    { ...guarded, paths: ['/health'], permission: 'admin', handle: context => health(gateway, context) },
    {
      ...open,
      paths: ['/'],
      handle: () => ({ service: 'routeiq', version, models: '/v1/models', health: '/health/readiness' }),
    },
  ]
}

/** 200 while this process takes calls, 503 while it drains. */
function readiness(gateway: Gateway, { reply }: RouteContext): object {
  const { snapshot } = gateway
  const status = gateway.draining ? 'draining' : 'healthy'
  if (gateway.draining) reply.code(503)
  return {
    status,
    service: 'routeiq',
    version,
    config: { version: snapshot.version, hash: snapshot.hash, warnings: snapshot.warnings.length },
    models: snapshot.router.index.publicNames().length,
    deployments: snapshot.deployments.length,
    cooling_down: snapshot.deployments.filter(deployment => gateway.cooldown.state(deployment) !== 'closed').length,
    in_flight: gateway.admission.inFlight,
  }
}

/** What routing knows of each deployment that the caller may use; asks nobody. */
function models(gateway: Gateway, caller: Principal | undefined): object {
  const { snapshot } = gateway
  const visible = snapshot.deployments.filter(({ group }) => caller === undefined || mayUse(snapshot, caller, group))
  return {
    models: visible.map(deployment => {
      const live = gateway.live.view(deployment)
      return {
        model_id: deployment.id,
        model_group: deployment.group,
        provider: deployment.target.vendor.id,
        model: deployment.target.model,
        status: gateway.cooldown.state(deployment),
        in_flight: live.inFlight,
        latency_ms: live.latency ?? null,
        ttft_ms: live.ttft ?? null,
        rpm: live.rpm,
        tpm: live.tpm,
      }
    }),
  }
}

/** Probes deployments (all, or `?model=` / `?model_id=`) with a real, tiny call each. */
async function health(gateway: Gateway, { request }: RouteContext): Promise<object> {
  const { model, model_id: id } = request.query as { model?: string; model_id?: string }
  const results = await probeDeployments(gateway, wanted(gateway, model, id))
  const healthy = results.filter(result => result.error === undefined)
  const unhealthy = results.filter(result => result.error !== undefined)
  return {
    healthy_endpoints: healthy.map(endpoint),
    unhealthy_endpoints: unhealthy.map(endpoint),
    healthy_count: healthy.length,
    unhealthy_count: unhealthy.length,
  }
}

function wanted(gateway: Gateway, model: string | undefined, id: string | undefined): readonly Deployment[] {
  const { deployments, router } = gateway.snapshot
  if (id !== undefined) return deployments.filter(deployment => deployment.id === id)
  if (model !== undefined) return router.resolve(model)?.deployments ?? []
  return deployments
}

function endpoint({ deployment, latency, error }: ProbeResult): object {
  return {
    model: `${deployment.target.vendor.id}/${deployment.target.model}`,
    model_group: deployment.group,
    model_id: deployment.id,
    api_base: deployment.target.origin + deployment.target.basePath,
    latency_ms: Math.round(latency),
    ...(error === undefined ? {} : { error: error.message, error_code: error.code, status_code: error.status }),
  }
}
