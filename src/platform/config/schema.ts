import type { z } from 'zod'
import { generalSettings } from './general-settings.ts'
import { laterSections } from './later-sections.ts'
import { litellmSettings } from './litellm-settings.ts'
import { modelList } from './model-list.ts'
import { routeiqSettings } from './routeiq-settings.ts'
import { routerSettings } from './router-settings.ts'
import { type Key, section } from './section.ts'
import { names, secretMap } from './values.ts'

const top = <S extends z.ZodType>(schema: S, description: string): Key<S> => ({
  schema,
  info: { status: 'active', description },
})

/**
 * The one truth about `config.yaml`: types, checks, the JSON Schema for editors and the reference page come from here.
 * Key names and meanings are LiteLLM's; `routeiq` holds what LiteLLM has no name for.
 */
export const gatewayConfig = section(
  {
    model_list: top(modelList.default([]), 'The models callers may use, each with one or more deployments.'),
    litellm_settings: top(litellmSettings.prefault({}), 'Defaults for every call.'),
    router_settings: top(
      routerSettings.prefault({}),
      'How a deployment is chosen, retried and paused. Beats the same key in litellm_settings.',
    ),
    general_settings: top(generalSettings.prefault({}), 'The server itself: keys and limits.'),
    routeiq: top(routeiqSettings.prefault({}), 'Settings of this gateway that LiteLLM does not have.'),
    environment_variables: top(
      secretMap.default({}),
      'Variables set before `os.environ/NAME` values are resolved; they beat the process environment.',
    ),
    include: top(names.default([]), 'Further files, relative to this one: lists are appended, maps are merged.'),
  },
  laterSections,
)

/** A checked config: defaults filled in, `os.environ/` resolved, credentials wrapped, inactive keys left out. */
export type GatewayConfig = z.output<typeof gatewayConfig>
export type GatewayConfigInput = z.input<typeof gatewayConfig>
