import { z } from 'zod'

/**
 * The vocabulary in which the schema is written. A section is a Zod object plus, per key, what people need to know of
 * it. Known keys that do nothing yet are plain data, not schemas: there are hundreds, and Zod instances cost start-up time.
 */
export type KeyStatus = 'active' | 'later' | 'ignored'

export interface KeyInfo {
  readonly status: KeyStatus
  /** One line. For `ignored`: why the key means nothing here. */
  readonly description: string
  /** Documented default. Applied by the schema only where the key was made with `defaulted`. */
  readonly default?: unknown
  readonly unit?: string
  /** The key restricts or protects something: while it is not active, its warning says that nothing is enforced. */
  readonly control?: boolean
  /** Part of the request body: a default sent to the provider when the caller gives no value. */
  readonly request?: boolean
}

export interface SectionInfo {
  readonly keys: Readonly<Record<string, KeyInfo>>
  /** Open sections keep keys they do not know; a near miss of a known key is still an error. */
  readonly open: boolean
  /** Families of later keys too many to list (`aws_*`): never sent on as request fields. */
  readonly laterFamily?: RegExp
}

/** Zod object → its keys' metadata. The one place where status, description, unit and default are kept. */
export const sections = new WeakMap<z.core.$ZodType, SectionInfo>()

/** Values a choice does not have but configs of other systems may bring: what to write in their place. */
export const advice = new WeakMap<z.core.$ZodType, ReadonlyMap<string, string>>()

export interface Key<S extends z.ZodType = z.ZodType> {
  readonly schema: S
  readonly info: KeyInfo
}

type Extra = Omit<KeyInfo, 'status' | 'description'>

/** Shared instances: `optional(number)` is made once however many keys use it. */
const optionals = new WeakMap<z.ZodType, z.ZodType>()

export function key<S extends z.ZodType>(schema: S, description: string, extra?: Extra): Key<z.ZodOptional<S>> {
  let optional = optionals.get(schema) as z.ZodOptional<S> | undefined
  if (!optional) {
    optional = z.optional(schema)
    optionals.set(schema, optional)
  }
  return { schema: optional, info: { status: 'active', description, ...extra } }
}

export function required<S extends z.ZodType>(schema: S, description: string, extra?: Extra): Key<S> {
  return { schema, info: { status: 'active', description, ...extra } }
}

/** A key whose default the schema fills in. */
export function defaulted<S extends z.ZodType>(
  schema: S,
  value: z.core.util.NoUndefined<z.output<S>>,
  description: string,
  extra?: Extra,
): Key<z.ZodDefault<S>> {
  return { schema: schema.default(value), info: { status: 'active', description, default: value, ...extra } }
}

type Notes = Readonly<Record<string, string | readonly [description: string, defaultValue: unknown]>>

function notes(status: KeyStatus, table: Notes, control: boolean): Record<string, KeyInfo> {
  const result: Record<string, KeyInfo> = {}
  for (const [name, note] of Object.entries(table)) {
    result[name] =
      typeof note === 'string'
        ? { status, description: note, control }
        : { status, description: note[0], default: note[1], control }
  }
  return result
}

/** Keys of capabilities that do not exist yet: accepted, left out of the config, and warned about. */
export const later = (table: Notes): Record<string, KeyInfo> => notes('later', table, false)

/** Later keys that protect something (limits, access, redaction). */
export const laterControl = (table: Notes): Record<string, KeyInfo> => notes('later', table, true)

/** Keys that have nothing to act on in this system; the description says why. */
export const ignored = (table: Notes): Record<string, KeyInfo> => notes('ignored', table, false)

type Shape<K extends Readonly<Record<string, Key>>> = { -readonly [P in keyof K]: K[P]['schema'] }

function split<K extends Readonly<Record<string, Key>>>(keys: K, inactive: Readonly<Record<string, KeyInfo>>) {
  const shape: Record<string, z.ZodType> = {}
  const infos: Record<string, KeyInfo> = {}
  for (const [name, { schema, info }] of Object.entries(keys)) {
    shape[name] = schema
    infos[name] = info
  }
  return { shape: shape as Shape<K>, infos: Object.assign(infos, inactive) }
}

/** A section in which every key must be known. */
export function section<K extends Readonly<Record<string, Key>>>(
  keys: K,
  inactive: Readonly<Record<string, KeyInfo>> = {},
): z.ZodObject<Shape<K>, z.core.$strict> {
  const { shape, infos } = split(keys, inactive)
  const object = z.strictObject(shape)
  sections.set(object, { keys: infos, open: false })
  return object
}

/** A section that carries keys of its user's own: request defaults, notes. */
export function openSection<K extends Readonly<Record<string, Key>>>(
  keys: K,
  inactive: Readonly<Record<string, KeyInfo>>,
  laterFamily: RegExp,
): z.ZodObject<Shape<K>, z.core.$loose> {
  const { shape, infos } = split(keys, inactive)
  const object = z.looseObject(shape)
  sections.set(object, { keys: infos, open: true, laterFamily })
  return object
}
