import { z } from 'zod'
import { keyManagementSystems } from '../secrets/settings.ts'
import { generalAccess } from './access-settings.ts'
import { generalAuthentication } from './authentication-settings.ts'
import { laterGeneralSettings } from './general-settings-later.ts'
import { keyManagementSettings } from './key-management-settings.ts'
import { generalLimits } from './limit-settings.ts'
import { defaulted, key, section } from './section.ts'
import { count, flag, megabytes, name, positiveCount, seconds, secret } from './values.ts'

export const generalSettings = section(
  {
    master_key: key(
      secret,
      'The administrator’s key; callers send it as a bearer token. Default: LITELLM_MASTER_KEY, else one is generated at start.',
    ),
    litellm_key_header_name: key(name, 'Further header in which a key may arrive.'),
    max_request_size_mb: defaulted(megabytes, 32, 'Largest request body.', { unit: 'MB' }),
    max_response_size_mb: key(megabytes, 'Largest unstreamed upstream answer.', { default: 64, unit: 'MB' }),
    max_in_flight_requests_per_worker: key(positiveCount, 'Calls handled at a time, per process. Default: no limit.'),
    max_queued_requests_per_worker: key(
      count,
      'Calls that may wait when max_in_flight_requests_per_worker is reached; further ones get 503.',
      { default: 0 },
    ),
    admission_queue_timeout_seconds: defaulted(seconds, 1, 'Longest wait in that queue.', { unit: 's' }),
    completion_model: key(name, 'Model group used for every chat and completion call, whatever the caller asks for.'),
    embedding_model: key(name, 'Model group used for every embedding call.'),
    database_url: key(
      secret,
      'PostgreSQL that keeps keys, teams, budgets, ledger and audit. Default: DATABASE_URL, else an SQLite file in routeiq.data_directory.',
    ),
    database_connection_pool_limit: defaulted(positiveCount, 10, 'Database connections per process.'),
    database_connection_timeout: key(seconds, 'Longest wait for a database connection.', { default: 5, unit: 's' }),
    database_statement_timeout: key(seconds, 'Time limit of a statement.', { default: 30, unit: 's' }),
    database_lock_timeout: key(seconds, 'Longest wait for a lock.', { default: 10, unit: 's' }),
    database_socket_timeout: key(
      seconds,
      'Longest wait for one statement. A silent server that takes no new connection either counts as lost within seconds.',
      { default: 35, unit: 's' },
    ),
    proxy_config_reload_interval_seconds: defaulted(
      seconds,
      30,
      'How often models kept in the database are read again; changes are pushed besides.',
      { unit: 's' },
    ),
    store_prompts_in_spend_logs: defaulted(
      flag,
      false,
      'Keep the bodies of calls beside their records: without credentials, long texts cut, removed after routeiq.ledger.bodies_retention.',
    ),
    maximum_spend_logs_retention_period: key(
      name,
      'How long calls stay in the ledger: `90d`. Default: for ever. Daily sums stay.',
    ),
    maximum_spend_logs_retention_interval: key(name, 'How often older ones are removed.', { default: '1d' }),
    maximum_spend_logs_cleanup_cron: key(name, 'When they are removed (five fields, UTC), in place of the interval.'),
    user_api_key_cache_ttl: defaulted(
      seconds,
      60,
      'How long a caller is known without asking the store again. Changes are pushed, so this only bounds lost messages.',
      { unit: 's' },
    ),
    user_api_key_cache_max_size: defaulted(positiveCount, 10_000, 'Callers kept in memory per process.'),
    key_management_system: defaulted(
      z.enum(keyManagementSystems),
      'local',
      'Secret manager in which `os.environ/NAME` is looked up before the environment; see docs/secrets.md.',
    ),
    key_management_settings: {
      schema: keyManagementSettings.prefault({}),
      info: { status: 'active', description: 'Settings of the secret manager.' },
    },
    ...generalAuthentication,
    ...generalAccess,
    ...generalLimits,
    cancel_on_disconnect: defaulted(flag, true, 'Abort the upstream call when the caller leaves.'),
  },
  laterGeneralSettings,
)

export type GeneralSettings = z.output<typeof generalSettings>
