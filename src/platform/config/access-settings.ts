import { z } from 'zod'
import { key, required, section } from './section.ts'
import { flag, name, names, text } from './values.ts'

const timeWindow = section({
  days: key(names, '`mon` … `sun`: the day on which it begins. Default: every day.'),
  from: key(text, '`HH:MM`. Default: 00:00.'),
  to: key(text, '`HH:MM`, exclusive; before `from` it is of the next day. Default: the end of the day.'),
  time_zone: key(name, 'IANA name. Default: UTC.'),
})

const conditions = {
  roles: key(names, 'Roles of callers: `internal_user`, …'),
  users: key(names, 'User ids; `*` is any text.'),
  teams: key(names, 'Teams callers act for; where they act for none, those they belong to.'),
  organizations: key(names, 'Organization ids.'),
  keys: key(names, 'Key aliases, or SHA-256 hashes of keys.'),
  proofs: key(names, 'How callers proved who they are: `virtual_key`, `jwt`, `oauth2`, `session`, `custom`, `public`.'),
  routes: key(names, 'Groups of routes, declared paths, `/spend/*`.'),
  models: key(names, 'Models as asked for, or the group they stand for; `*` is any text.'),
  tools: key(names, 'Names of tools a call offers. A deny holds when one is named, an allow when all are.'),
  tags: key(names, 'Tags of a call.'),
  addresses: key(names, 'Addresses and CIDR ranges calls come from.'),
  times: key(z.array(timeWindow), 'When; any of them is enough.'),
}

/** One rule of who may do what; see docs/access.md. */
export const accessPolicy = section({
  name: required(name, 'Names it in refusals, logs and metrics.'),
  description: key(text, 'For people.'),
  effect: required(z.enum(['allow', 'deny']), 'What happens to calls for which it holds.'),
  ...conditions,
  unless: key(section(conditions), 'Exceptions: it does not hold where all of these do.'),
  dry_run: key(flag, 'Decide nothing; log and count where it would have.', { default: false }),
  enabled: key(flag, 'Whether it is looked at.', { default: true }),
})

/** In `routeiq`. */
export const routeiqAccess = {
  access_policies: key(
    z.array(accessPolicy),
    'Who may do what, beyond roles: the first that holds decides; see docs/access.md.',
    {
      default: [],
    },
  ),
  restrict_caller_switches: key(
    flag,
    'Refuse body fields that switch how the gateway treats a call (`drop_params`, `mock_response`, …), unless the key’s metadata says `allow_caller_switches`.',
    { default: false },
  ),
}

const userHeader = section({
  header_name: required(name, 'Header.'),
  litellm_user_role: required(
    z.enum(['customer', 'internal_user']),
    'Whose id it holds. Active: customer, the end user.',
  ),
})

/** In `general_settings`: who may come in, beyond keys. */
export const generalAccess = {
  allowed_ips: key(names, 'Addresses and CIDR ranges calls may come from. Default: any.'),
  use_x_forwarded_for: key(
    flag,
    'false: never read X-Forwarded-For. true: read it, from routeiq.trusted_proxies. Default: true where those are set.',
  ),
  allowed_routes: key(names, 'The routes that can be called at all, by anybody. Default: all.'),
  admin_only_routes: key(names, 'Routes for administrators only.', { default: [] }),
  public_routes: key(names, 'Routes that need no key; what a role may not do stays closed.', { default: [] }),
  enforced_params: key(names, 'Fields every call must have: `user`, `metadata.trace_id`.', { default: [] }),
  enforce_user_param: key(flag, 'Every call must name its end user.', { default: false }),
  service_account_settings: key(
    section({ enforced_params: key(names, 'Fields every call of a service account must have.') }),
    'Rules for keys of service accounts.',
  ),
  user_header_name: key(name, 'Header that names the end user (old; see user_header_mappings).'),
  user_header_mappings: key(z.array(userHeader), 'Headers that name who a call is for.'),
  reject_clientside_metadata_tags: key(
    flag,
    'Refuse calls that bring tags of their own, unless the key’s metadata says `allow_client_tags`.',
    { default: false },
  ),
  enforce_fallback_model_access: key(
    flag,
    'A configured fallback is only taken where the caller may use its model. Fallbacks that callers name are always checked.',
    { default: false },
  ),
  default_team_disabled: key(flag, 'Keys must belong to a team.', { default: false }),
}
