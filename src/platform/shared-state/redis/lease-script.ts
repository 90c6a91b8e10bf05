import { carryOut } from './script/carry-out.ts'
import { counters } from './script/counters.ts'
import { read } from './script/read.ts'
import { reserve } from './script/reserve.ts'

/**
 * The counters and leases in Redis: one script that carries out a list of operations on one shard, atomically. Its
 * message and answer are packed by `lease-codec.ts`; what the operations mean is told in `memory/lease-book.ts`, and
 * the contract suite holds both to the same behaviour.
 *
 * Layout: four keys whatever the number of counters, all of them declared, so the script is legal on a cluster.
 * - counters: hash, counter → used, reserved, end of window (three doubles; end 0 for those that never end)
 * - leases: hash, id → state, count, end of window of each counter, then names, amounts and flags as they came in the
 *   message
 * - lease ends: sorted set, when a lease expires, or when the record of one that did may go
 * - window ends: sorted set, when a counter may be removed
 * One hash instead of a key per counter makes a reservation one HMGET and one HSET whatever its length, and keeps a
 * Redis that evicts volatile or least-used keys from forgetting single budgets.
 *
 * Measured with `bench/shared-state.ts`. Lua, not Redis, is what takes the time, so it works on lists: whole columns are
 * read by one call, what leases have in common is read once (`terms`), and calls that ask for the same are granted together
 * (`script/reserve.ts`). Tables are written with room for a usual message: growing them costs more than all commands.
 */
export const leaseScript = read + counters + reserve + carryOut
