import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { addressRange } from '../../authorization/policy/address-list.ts'
import { PolicyInvalid } from '../../authorization/policy/policy.ts'
import type { Caller } from '../managed-objects.ts'
import type { Management } from '../management.ts'
import { lockedValue, replaceValue } from '../settings/stored-value.ts'
import { allowedIpsSetting, storedAddresses } from './stored-access.ts'

const most = 1000

/** The list of addresses that is kept in the database, beside that of the configuration. */
export class AllowedIps {
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
  }

  list(): Promise<readonly string[]> {
    return storedAddresses(this.#management.governance.store.db)
  }

  /** @throws GatewayError 400 for what is no address, or is one too many */
  add(caller: Caller, ip: string): Promise<readonly string[]> {
    try {
      addressRange(ip, 'ip')
    } catch (error) {
      if (error instanceof PolicyInvalid)
        throw new GatewayError('invalid_request', `${error.message}.`, { param: 'ip' })
      throw error
    }
    return this.#change(caller, list => (list.includes(ip) ? list : [...list, ip]))
  }

  /** @throws GatewayError 404 */
  delete(caller: Caller, ip: string): Promise<readonly string[]> {
    return this.#change(caller, list => {
      if (list.includes(ip)) return list.filter(entry => entry !== ip)
      throw new GatewayError(
        'not_found',
        `'${ip.slice(0, 60)}' is not in the list of the database; general_settings.allowed_ips is changed in the file.`,
      )
    })
  }

  #change(caller: Caller, edit: (list: readonly string[]) => readonly string[]): Promise<readonly string[]> {
    const { governance, clock } = this.#management
    return governance.change(async trx => {
      await lockedValue(trx, allowedIpsSetting, [], clock.epoch())
      const before = await storedAddresses(trx)
      const after = edit(before)
      if (after.length > most) throw new GatewayError('invalid_request', `There may be ${most} addresses at most.`)
      await replaceValue(trx, allowedIpsSetting, after, { name: caller.actor.name, now: clock.epoch() })
      return {
        result: after,
        audit: [
          {
            actor: caller.actor,
            action: 'updated',
            objectKind: 'config',
            objectId: allowedIpsSetting,
            before: { [allowedIpsSetting]: before },
            after: { [allowedIpsSetting]: after },
          },
        ],
        notices: [{ kind: 'policies', id: allowedIpsSetting }],
      }
    })
  }
}
