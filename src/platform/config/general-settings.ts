import type { z } from 'zod'
import { laterGeneralSettings } from './general-settings-later.ts'
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
    cancel_on_disconnect: defaulted(flag, true, 'Abort the upstream call when the caller leaves.'),
  },
  laterGeneralSettings,
)

export type GeneralSettings = z.output<typeof generalSettings>
