import { expect } from 'vitest'

/** What comes true by itself; a shared machine may be slow to let it. */
export const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 15_000 })
