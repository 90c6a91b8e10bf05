import type { Principal } from '../../governance/authentication/principal.ts'
import { tokenOf } from '../../governance/authentication/token-hash.ts'
import { administrator } from './master-key.ts'

/** A caller without a key, on routes the operator opened (`public_routes`): owns nothing, may only read. */
export const nobody: Principal = {
  ...administrator('public', tokenOf('public')),
  role: 'internal_user_viewer',
  admin: false,
}
