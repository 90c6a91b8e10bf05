import { z } from 'zod'
import { Secret } from '../security/secret.ts'

/** Value types that many keys share. One instance each: building a Zod type costs start-up time. */
export const text = z.string()
export const name = z.string().min(1)
export const flag = z.boolean()
export const number = z.number()
/** A whole number, zero or more. */
export const count = z.int().min(0)
/** A whole number, one or more. */
export const positiveCount = z.int().min(1)
/** Seconds, fractions allowed, zero or more. */
export const seconds = z.number().min(0)
/** A price or a weight. */
export const amount = z.number().min(0)
export const megabytes = z.number().gt(0)
export const texts = z.array(text)
export const names = z.array(name)
export const anything = z.unknown()
export const textMap = z.record(text, text)
export const anyMap = z.record(text, anything)

/** What the author of a config writes for a credential: the text, or a reference to where it is kept. */
export const secretText = z.string()

/** A credential: the config holds it wrapped, so that printing the config cannot leak it. */
export const secret = secretText.transform(value => new Secret(value))
export const secretMap = z.record(text, secret)
