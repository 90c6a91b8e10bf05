import { z } from 'zod'
import { defaulted, section } from './section.ts'
import { count, name } from './values.ts'

/** Less than this, and one outage of a minute fills it. */
const bytes = z.int().min(1_000_000)

/** `routeiq.ledger`. */
export const routeiqLedger = section({
  max_bytes: defaulted(
    bytes,
    2_000_000_000,
    'The most that spend records may take on disk while the database is away; a record is about 500.',
    { unit: 'bytes' },
  ),
  on_full: defaulted(
    z.enum(['refuse', 'drop']),
    'refuse',
    'When that is full or the disk takes nothing: refuse new calls with 503 ledger_unavailable, or let them pass and drop their records.',
  ),
  fsync: defaulted(
    z.enum(['never', 'interval', 'always']),
    'never',
    'When records are forced to the disk. `never`: they outlive the process, not a power cut. `interval`: a power cut loses a second. `always`: before each response ends, at the speed of the disk.',
  ),
  bodies_retention: defaulted(
    name,
    '30d',
    'How long bodies stay that store_prompts_in_spend_logs keeps; never longer than maximum_spend_logs_retention_period.',
  ),
  max_body_text: defaulted(
    count,
    1000,
    'Characters kept of each text in those bodies, its beginning and its end. MAX_STRING_LENGTH_PROMPT_IN_DB wins.',
    { unit: 'characters' },
  ),
})
