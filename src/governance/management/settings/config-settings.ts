import type { Kysely, Transaction } from 'kysely'
import type { GatewayConfig } from '../../../platform/config/schema.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Tables } from '../../../platform/store/tables.ts'
import { isRecord, type Settings } from '../../objects/settings.ts'
import type { Caller } from '../managed-objects.ts'
import type { Management } from '../management.ts'
import { fieldType } from './field-type.ts'
import { infoOf, isShared, runtimeKeys, type SettableSection, schemaOf, settableSections } from './runtime-keys.ts'
import { judgeSetting } from './setting-value.ts'
import {
  fallbackLists,
  fallbackRow,
  fallbackTypes,
  readStoredConfig,
  type StoredConfig,
  sectionRow,
  storedFallbacks,
} from './stored-config.ts'
import { lockedValue, replaceValue, storedValue } from './stored-value.ts'

/** Changes by section; `null` takes a key out of the database: the file's value is in force again. */
export type SettingChanges = Readonly<Partial<Record<SettableSection, Settings>>>

/** A key that can be set, as LiteLLM's `/config/list` shows it. */
export interface ListedSetting {
  readonly field_name: string
  readonly field_type: string
  readonly field_description: string
  /** In force, default included. */
  readonly field_value: unknown
  /** true: set here; false: by the file; null: nowhere. */
  readonly stored_in_db: boolean | null
  readonly field_default_value: unknown
  readonly premium_field: false
  readonly nested_fields: null
}

/** Settings of the configuration that are kept in the database and win over the file. */
export class ConfigSettings {
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
  }

  /**
   * Takes effect on every process before long, on this one before it returns. All of it or nothing.
   * @param inForce the configuration now
   * @returns the stored sections that were changed
   * @throws GatewayError 400 for a key that could not take effect, or a value that does not fit
   */
  async update(caller: Caller, changes: SettingChanges, inForce: GatewayConfig): Promise<SettingChanges> {
    const sections = settableSections.filter(section => Object.keys(changes[section] ?? {}).length > 0)
    for (const section of sections) this.#judge(section, changes[section] ?? {}, changes, inForce)
    const { governance, checkConfig } = this.#management
    const result = await governance.change(async trx => {
      const before = await this.#locked(trx, sections)
      const after = merged(before, changes)
      const problem = checkConfig(after)
      if (problem !== undefined) throw new GatewayError('invalid_request', problem)
      for (const section of sections) await this.#replace(trx, caller, sectionRow(section), after.sections[section])
      if (after.fallbacks !== before.fallbacks) await this.#replace(trx, caller, fallbackRow, after.fallbacks)
      return {
        result: Object.fromEntries(sections.map(section => [section, after.sections[section]])),
        audit: sections.map(section => ({
          actor: caller.actor,
          action: 'updated' as const,
          objectKind: 'config',
          objectId: section,
          before: before.sections[section],
          after: after.sections[section],
        })),
        notices: [{ kind: 'settings', id: sections.join(',') }],
      }
    })
    await this.#management.refresh()
    return result
  }

  /** What is stored of one key. @throws GatewayError 404 */
  async info(section: SettableSection, name: string): Promise<unknown> {
    const value = asRecord(await storedValue(this.#db, sectionRow(section)))[name]
    if (value !== undefined) return value
    throw new GatewayError(
      'not_found',
      `'${section}.${name.slice(0, 100)}' is not set in the database; GET /config/list shows what is in force.`,
      { param: 'field_name' },
    )
  }

  /** @throws GatewayError 404 */
  async remove(caller: Caller, section: SettableSection, name: string, inForce: GatewayConfig): Promise<Settings> {
    await this.info(section, name)
    const changed = await this.update(caller, { [section]: { [name]: null } }, inForce)
    return changed[section] ?? {}
  }

  async list(section: SettableSection, inForce: GatewayConfig): Promise<readonly ListedSetting[]> {
    const { sections } = await readStoredConfig(this.#db)
    const values = inForce[section] as Settings
    return runtimeKeys(section).map(name => {
      const info = infoOf(section, name)
      const stored = Object.hasOwn(sections[section], name)
      const value = stored ? sections[section][name] : values[name]
      const byDefault = info?.default ?? null
      const stated = value !== undefined && JSON.stringify(value) !== JSON.stringify(byDefault)
      return {
        field_name: name,
        field_type: fieldType(schemaOf(section, name)),
        field_description: info?.description ?? '',
        field_value: value ?? byDefault,
        stored_in_db: stored ? true : stated ? false : null,
        field_default_value: byDefault,
        premium_field: false,
        nested_fields: null,
      }
    })
  }

  /** @throws GatewayError 400 */
  #judge(section: SettableSection, values: Settings, changes: SettingChanges, inForce: GatewayConfig): void {
    for (const [name, value] of Object.entries(values)) {
      if (value === null) continue
      const judged = judgeSetting(section, name, value)
      if ('problem' in judged)
        throw new GatewayError('invalid_request', judged.problem, { param: `${section}.${name}` })
      const inRouter = asRecord(changes.router_settings)[name] ?? (inForce.router_settings as Settings)[name]
      if (section === 'litellm_settings' && isShared(name) && inRouter != null) {
        throw new GatewayError(
          'invalid_request',
          `'litellm_settings.${name}' would have no effect: 'router_settings.${name}' is set and wins. Set that one.`,
          { param: `${section}.${name}` },
        )
      }
    }
  }

  /** What is stored, the rows to be written locked. */
  async #locked(trx: Transaction<Tables>, sections: readonly SettableSection[]): Promise<StoredConfig> {
    const now = this.#management.clock.epoch()
    const rows = settableSections.filter(section => sections.includes(section)).map(sectionRow)
    // In the order of their names, as everybody who takes several.
    for (const row of [fallbackRow, ...rows].sort()) await lockedValue(trx, row, {}, now)
    return readStoredConfig(trx)
  }

  #replace(trx: Kysely<Tables>, caller: Caller, row: string, value: unknown): Promise<void> {
    return replaceValue(trx, row, value, { name: caller.actor.name, now: this.#management.clock.epoch() })
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}

/** A whole list of fallbacks takes the place of what `/fallback` had set before: the newest word counts. */
function merged(before: StoredConfig, changes: SettingChanges): StoredConfig {
  const sections = { ...before.sections }
  for (const section of settableSections) {
    const values: Record<string, unknown> = { ...before.sections[section] }
    for (const [name, value] of Object.entries(changes[section] ?? {})) {
      if (value === null) delete values[name]
      else values[name] = value
    }
    sections[section] = values
  }
  const stated = { ...changes.litellm_settings, ...changes.router_settings }
  const replaced = fallbackTypes.filter(type => stated[fallbackLists[type]] != null)
  if (replaced.length === 0) return { sections, fallbacks: before.fallbacks }
  return {
    sections,
    fallbacks: storedFallbacks({ ...before.fallbacks, ...Object.fromEntries(replaced.map(type => [type, {}])) }),
  }
}

const asRecord = (value: unknown): Settings => (isRecord(value) ? value : {})
