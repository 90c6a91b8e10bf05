import type { GatewayConfig } from '../../../platform/config/schema.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Caller } from '../managed-objects.ts'
import type { Management } from '../management.ts'
import {
  type FallbackType,
  fallbackLists,
  fallbackRow,
  listInForce,
  type StoredConfig,
  storedFallbacks,
} from './stored-config.ts'
import { lockedValue, replaceValue, storedValue } from './stored-value.ts'

/** The groups that are tried for one group, as `/fallback` shows them. */
export interface FallbackEntry {
  readonly model: string
  readonly fallback_models: readonly string[]
  readonly fallback_type: FallbackType
}

/** Groups, and targets of each: more is a mistake. */
const mostGroups = 1000
const mostTargets = 50

/** Fallbacks that are kept in the database, over those of the file, group by group. */
export class Fallbacks {
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
  }

  /**
   * @param known whether a model can be called by that name
   * @returns the entry, and whether there was one before
   * @throws GatewayError 404 for a model that does not exist, 400 for a list that makes no sense
   */
  async set(caller: Caller, entry: FallbackEntry, known: (model: string) => boolean): Promise<boolean> {
    const { model, fallback_models: targets, fallback_type: type } = entry
    if (!known(model)) throw unknownModel(model, 'model')
    const strange = targets.find(target => !known(target))
    if (strange !== undefined) throw unknownModel(strange, 'fallback_models')
    const problem = problemOf(model, targets)
    if (problem !== undefined) throw new GatewayError('invalid_request', problem, { param: 'fallback_models' })
    return this.#change(caller, model, type, before => {
      const after = { ...before[type], [model]: [...targets] }
      if (Object.keys(after).length > mostGroups) {
        throw new GatewayError('invalid_request', `There may be ${mostGroups} models with fallbacks at most.`)
      }
      return { stored: { ...before, [type]: after }, result: Object.hasOwn(before[type], model) }
    })
  }

  /** Those in force, wherever they were set. @throws GatewayError 404 */
  async get(model: string, type: FallbackType, inForce: GatewayConfig): Promise<FallbackEntry> {
    const { db } = this.#management.governance.store
    const own = storedFallbacks(await storedValue(db, fallbackRow))[type]
    const targets = Object.hasOwn(own, model) ? own[model] : ofConfiguration(inForce, model, type)
    if (targets === undefined) throw noFallbacks(model, type)
    return { model, fallback_models: [...targets], fallback_type: type }
  }

  /** @throws GatewayError 404; 400 for those of the file, which are changed there */
  async delete(caller: Caller, model: string, type: FallbackType, inForce: GatewayConfig): Promise<void> {
    await this.#change(caller, model, type, before => {
      if (!Object.hasOwn(before[type], model)) {
        if (ofConfiguration(inForce, model, type) === undefined) throw noFallbacks(model, type)
        throw new GatewayError(
          'invalid_request',
          `The fallbacks of '${model}' are in the list ${fallbackLists[type]} of the configuration, and are removed there. POST /fallback sets others in their place.`,
          { param: 'model' },
        )
      }
      const { [model]: _gone, ...rest } = before[type]
      return { stored: { ...before, [type]: rest }, result: undefined }
    })
  }

  async #change<T>(
    caller: Caller,
    model: string,
    type: FallbackType,
    edit: (before: StoredConfig['fallbacks']) => { readonly stored: StoredConfig['fallbacks']; readonly result: T },
  ): Promise<T> {
    const { governance, clock, refresh } = this.#management
    const now = clock.epoch()
    const result = await governance.change(async trx => {
      const before = storedFallbacks(await lockedValue(trx, fallbackRow, {}, now))
      const { stored, result } = edit(before)
      await replaceValue(trx, fallbackRow, stored, { name: caller.actor.name, now })
      const shown = (all: StoredConfig['fallbacks']) =>
        all[type][model] === undefined ? undefined : { fallback_type: type, fallback_models: all[type][model] }
      return {
        result,
        audit: [
          {
            actor: caller.actor,
            action: 'updated' as const,
            objectKind: 'config',
            objectId: `fallback:${model}`,
            before: shown(before),
            after: shown(stored),
          },
        ],
        notices: [{ kind: 'settings' as const, id: fallbackRow }],
      }
    })
    await refresh()
    return result
  }
}

function problemOf(model: string, targets: readonly string[]): string | undefined {
  if (targets.length === 0) return "'fallback_models' names no model; DELETE /fallback/{model} removes fallbacks."
  if (targets.length > mostTargets) return `'fallback_models' may name ${mostTargets} models at most.`
  if (targets.includes(model)) return `'${model}' cannot be a fallback of itself.`
  return new Set(targets).size === targets.length ? undefined : "'fallback_models' names a model twice."
}

/** Names alone: a target with settings of its own (`{model, temperature}`) is shown by its model. */
function ofConfiguration(config: GatewayConfig, model: string, type: FallbackType): readonly string[] | undefined {
  const targets = listInForce(config, type).flatMap(entry => (Object.hasOwn(entry, model) ? (entry[model] ?? []) : []))
  if (targets.length === 0) return undefined
  return targets.flatMap(target => {
    const name = typeof target === 'string' ? target : target['model']
    return typeof name === 'string' ? [name] : []
  })
}

const unknownModel = (model: string, param: string): GatewayError =>
  new GatewayError(
    'model_not_found',
    `There is no model '${model.slice(0, 200)}'; GET /v1/models lists those there are.`,
    {
      param,
    },
  )

const noFallbacks = (model: string, type: FallbackType): GatewayError =>
  new GatewayError('not_found', `There are no fallbacks of the type '${type}' for '${model.slice(0, 200)}'.`)
