/**
 * The counters and leases in Redis: one script that carries out a list of operations on one shard, atomically. Its
 * message and answer are packed by `lease-codec.ts`; what the operations mean is told in `memory/lease-book.ts`, and
 * the contract suite holds both to the same behaviour.
 *
 * Layout: four keys whatever the number of counters, all of them declared, so the script is legal on a cluster.
 * - counters: hash, counter → used, reserved, end of window (three doubles; end 0 for those that never end)
 * - leases: hash, id → state, count, names of the counters as they came in the message, amount, end of window and flags
 *   of each
 * - lease ends: sorted set, when a lease expires, or when the record of one that did may go
 * - window ends: sorted set, when a counter may be removed
 * One hash instead of a key per counter makes a reservation one HMGET and one HSET whatever its length, and keeps a
 * Redis that evicts volatile or least-used keys from forgetting single budgets.
 *
 * Measured with `bench/shared-state.ts`. Tables are written with room for a usual message: growing them one by one cost
 * more than all commands together.
 */
const room = `{${'false, '.repeat(24)}}`

export const leaseScript = `
local countersKey, leasesKey, leaseEndsKey, windowEndsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local message = ARGV[1]
local call, read, pack, concat, sub, byte, min = redis.call, struct.unpack, struct.pack, table.concat, string.sub, string.byte, math.min
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local HOUR, MINUTE, REAPED, SWEPT, CHUNK = 3600000, 60000, 100, 1000, 3000
local LIVE, EXPIRED, CANCELLED = 1, 2, 3
local PARALLEL, RATE, UNTIL = 0, 2, 3
local ASK = -1
local AMOUNTS, HELD = '<ddddB', '<ddB'

local function doublesOf(n)
  return '<' .. string.rep('d', n)
end

-- Distinct counters by number; what is known of each is in arrays.
local keys, used, reserved, ends, packed, isDirty, keyCount = ${room}, ${room}, ${room}, ${room}, ${room}, ${room}, 0
local numberOf = {}

local function numberFor(key)
  local number = numberOf[key]
  if not number then
    number = keyCount + 1
    keyCount = number
    keys[number] = key
    numberOf[key] = number
    used[number], packed[number], isDirty[number] = false, false, false
  end
  return number
end

-- The counters of a lease. Calls of one caller name the same ones, and Lua hashes every text it makes: taken apart once.
local numbersOf = {}
local function numbersFor(names)
  local numbers = numbersOf[names]
  if not numbers then
    numbers = {}
    local at, size, n, key = 1, #names, 0, nil
    while at <= size do
      key, at = read('<Hc0', names, at)
      n = n + 1
      numbers[n] = numberFor(key)
    end
    numbersOf[names] = numbers
  end
  return numbers
end

-- Items of the message, then those of leases, one after another.
local counterOf, limitOf, amountOf, spanOf, seedOf, flagsOf, endOf, itemCount = ${room}, ${room}, ${room}, ${room}, ${room}, ${room}, ${room}, 0
local function readAmounts(text, at)
  local i = itemCount + 1
  itemCount = i
  limitOf[i], amountOf[i], spanOf[i], seedOf[i], flagsOf[i], at = read(AMOUNTS, text, at)
  return at
end

-- 1. Read the operations.
local codes, ids, firsts, counts, values, names, count = {}, {}, {}, {}, {}, {}, 0
local wanted, wantedCount = {}, 0
local at, size = 1, #message
while at <= size do
  local o, code = count + 1, byte(message, at)
  count = o
  codes[o] = code
  at = at + 1
  if code <= 5 then
    local id
    id, at = read('<Hc0', message, at)
    ids[o] = id
    wantedCount = wantedCount + 1
    wanted[wantedCount] = id
    if code == 1 then
      local n
      values[o], n, names[o], at = read('<dHIc0', message, at)
      local numbers, first = numbersFor(names[o]), itemCount
      firsts[o], counts[o] = first + 1, n
      for i = 1, n do
        counterOf[first + i] = numbers[i]
        at = readAmounts(message, at)
      end
    elseif code == 2 then
      local n
      n, at = read('<H', message, at)
      values[o] = { read(doublesOf(n), message, at) }
      at = at + 8 * n
    elseif code == 5 then
      values[o], at = read('<d', message, at)
    end
  elseif code <= 8 then
    at = readAmounts(message, at)
    firsts[o] = itemCount
    local key
    key, at = read('<Hc0', message, at)
    counterOf[itemCount] = numberFor(key)
  end
end

-- 2. Load the leases that are named and those that expired, then all counters.
local lost = call('ZRANGEBYSCORE', leaseEndsKey, '-inf', now, 'LIMIT', 0, REAPED)
for i = 1, #lost do wanted[wantedCount + i] = lost[i] end
wantedCount = wantedCount + #lost

local records, leases = {}, {}
local function readLease(id, record)
  local state, n, held, at = read('<BHIc0', record)
  local numbers, first = numbersFor(held), itemCount
  for i = first + 1, first + n do
    counterOf[i] = numbers[i - first]
    amountOf[i], endOf[i], flagsOf[i], at = read(HELD, record, at)
  end
  itemCount = first + n
  leases[id] = { state, first + 1, itemCount }
end
for from = 1, wantedCount, CHUNK do
  local to = min(from + CHUNK - 1, wantedCount)
  local found = call('HMGET', leasesKey, unpack(wanted, from, to))
  for i = from, to do
    local id, record = wanted[i], found[i - from + 1]
    if record and not records[id] then
      records[id] = record
      readLease(id, record)
    end
  end
end

for from = 1, keyCount, CHUNK do
  local to = min(from + CHUNK - 1, keyCount)
  local found = call('HMGET', countersKey, unpack(keys, from, to))
  for number = from, to do
    local value = found[number - from + 1]
    if value then
      used[number], reserved[number], ends[number] = read('<ddd', value)
      packed[number] = value
    end
  end
end

-- 3. Carry out. Changes are kept here and written at the end.
local dirty, dirtyCount, idle, windowScore, leaseScore = ${room}, 0, nil, nil, {}

local function touch(number)
  packed[number] = false
  if not isDirty[number] then
    isDirty[number] = true
    dirtyCount = dirtyCount + 1
    dirty[dirtyCount] = number
  end
end

-- A window that ended counts for nothing, but one 'until' ends only for a use that knows of a later end: a process whose
-- clock is late would otherwise start it again and again. One too far away was set before the clock stepped back.
local function runs(number, kind, span)
  local theEnd = ends[number]
  if kind == RATE then return now < theEnd and theEnd - now <= span end
  if kind == UNTIL then return now < theEnd or span <= theEnd end
  return true
end

local function newEnd(kind, span)
  if kind == RATE then return now + span end
  if kind == UNTIL then return span end
  return 0
end

local function start(number, kind, theEnd, value)
  used[number], reserved[number], ends[number] = value, 0, theEnd
  touch(number)
  if theEnd > 0 then
    windowScore = windowScore or {}
    windowScore[number] = kind == UNTIL and theEnd + MINUTE or theEnd
  end
end

local function packedOf(number)
  local value = packed[number]
  if not value then
    value = pack('<ddd', used[number], reserved[number], ends[number])
    packed[number] = value
  end
  return value
end

-- Gives back what a live lease holds, and counts what was used.
local function finish(lease, actual)
  local first = lease[2]
  for i = first, lease[3] do
    local number = counterOf[i]
    if used[number] and ends[number] == endOf[i] then
      local isParallel = flagsOf[i] % 4 == PARALLEL
      if lease[1] == LIVE then
        reserved[number] = reserved[number] - amountOf[i]
        if isParallel then
          idle = idle or {}
          idle[number] = true
        end
      end
      local amount = actual and actual[i - first + 1]
      if amount and amount > 0 and not isParallel then used[number] = used[number] + amount end
      touch(number)
    end
  end
end

local function drop(id)
  records[id], leases[id], leaseScore[id] = nil, nil, false
end

for i = 1, #lost do
  local id = lost[i]
  local lease = leases[id]
  if lease and lease[1] == LIVE then
    finish(lease, nil)
    lease[1] = EXPIRED
    records[id], leaseScore[id] = pack('<B', EXPIRED) .. sub(records[id], 2), now + HOUR
  else
    drop(id)
  end
end

local out, outCount = ${room}, 0
local function answer(text)
  outCount = outCount + 1
  out[outCount] = text
end

local isFresh, nowUsed, nowReserved, startedFor = ${room}, ${room}, ${room}, nil

local function reserve(o, id, first, last)
  if records[id] then return answer('\\4') end
  local needed, refusing, anyFresh = nil, nil, false
  for i = first, last do
    local number, flags = counterOf[i], flagsOf[i]
    local kind, u, r = flags % 4, used[number], 0
    if u and runs(number, kind, spanOf[i]) then
      r = reserved[number]
      isFresh[i] = false
      endOf[i] = ends[number]
    else
      if u then
        u = 0
      else
        u = seedOf[i]
        if u == ASK then
          needed = needed or {}
          needed[#needed + 1] = pack('<H', i - first)
        end
        if u < 0 then u = 0 end
      end
      isFresh[i], anyFresh = true, true
      endOf[i] = newEnd(kind, spanOf[i])
    end
    nowUsed[i], nowReserved[i] = u, r
    local limit, amount = limitOf[i], amountOf[i]
    local fits = u + r + amount <= limit or flags >= 4 and r == 0 and u < limit
    if not refusing and not (fits and amount < math.huge) then
      refusing = i - first
    end
  end
  if needed then return answer(pack('<BH', 3, #needed) .. concat(needed)) end
  if refusing then
    answer(pack('<BH', 2, refusing))
    for i = first, last do answer(pack('<ddd', nowUsed[i], nowReserved[i], endOf[i])) end
    return
  end
  local begun = anyFresh and {}
  for i = first, last do
    local number, amount = counterOf[i], amountOf[i]
    if isFresh[i] then
      if not begun[number] then
        begun[number] = true
        start(number, flagsOf[i] % 4, endOf[i], nowUsed[i])
      end
      endOf[i] = ends[number]
    end
    if amount ~= 0 then
      reserved[number] = reserved[number] + amount
      touch(number)
    end
  end
  answer('\\1')
  for i = first, last do answer(packedOf(counterOf[i])) end
  local held = { pack('<BHI', LIVE, last - first + 1, #names[o]), names[o] }
  for i = first, last do held[i - first + 3] = pack(HELD, amountOf[i], endOf[i], flagsOf[i]) end
  records[id] = concat(held)
  leases[id] = { LIVE, first, last }
  leaseScore[id] = now + values[o]
end

local function settle(id, actual)
  local lease = leases[id]
  if not lease then return end
  finish(lease, actual)
  drop(id)
end

local function sweep()
  local over = call('ZRANGEBYSCORE', windowEndsKey, '-inf', now, 'LIMIT', 0, SWEPT)
  if #over == 0 then return end
  call('HDEL', countersKey, unpack(over))
  call('ZREM', windowEndsKey, unpack(over))
  for i = 1, #over do
    local number = numberOf[over[i]]
    if number then used[number], packed[number] = false, false end
  end
end

for o = 1, count do
  local code, id = codes[o], ids[o]
  if code == 1 then
    reserve(o, id, firsts[o], firsts[o] + counts[o] - 1)
  elseif code == 2 then
    settle(id, values[o])
  elseif code == 3 then
    settle(id, nil)
  elseif code == 4 then
    local lease = leases[id]
    if lease and lease[1] ~= CANCELLED then
      settle(id, nil)
    else
      -- The reservation may still be on its way, on a connection that was given up.
      records[id], leases[id], leaseScore[id] = pack('<BHI', CANCELLED, 0, 0), { CANCELLED, 1, 0 }, now + MINUTE
    end
  elseif code == 5 then
    local lease = leases[id]
    if lease and lease[1] == LIVE then leaseScore[id] = now + values[o] end
  elseif code == 6 then
    local number = counterOf[firsts[o]]
    if used[number] and (ends[number] == 0 or now < ends[number]) then
      answer(packedOf(number))
    else
      answer(pack('<ddd', 0, 0, 0))
    end
  elseif code <= 8 then
    local i = firsts[o]
    local number, kind, amount = counterOf[i], flagsOf[i] % 4, amountOf[i]
    if not used[number] or not runs(number, kind, spanOf[i]) then start(number, kind, newEnd(kind, spanOf[i]), 0) end
    used[number] = math.max(0, code == 7 and used[number] + amount or amount)
    touch(number)
  elseif code == 9 then
    sweep()
  end
end

-- 4. Write.
local function send(command, key, list, n)
  for from = 1, n, CHUNK do call(command, key, unpack(list, from, min(from + CHUNK - 1, n))) end
end

local sets, setCount, dels, delCount = ${room}, 0, {}, 0
for i = 1, dirtyCount do
  local number = dirty[i]
  if not used[number] or idle and idle[number] and reserved[number] == 0 and used[number] == 0 then
    delCount = delCount + 1
    dels[delCount] = keys[number]
  else
    sets[setCount + 1], sets[setCount + 2] = keys[number], packedOf(number)
    setCount = setCount + 2
  end
end
send('HSET', countersKey, sets, setCount)
send('HDEL', countersKey, dels, delCount)

if windowScore then
  local scores, n = {}, 0
  for number, score in pairs(windowScore) do
    if used[number] then
      scores[n + 1], scores[n + 2] = score, keys[number]
      n = n + 2
    end
  end
  send('ZADD', windowEndsKey, scores, n)
end

local scores
sets, setCount, dels, delCount, scores = {}, 0, {}, 0, {}
for id, score in pairs(leaseScore) do
  if score then
    sets[setCount + 1], sets[setCount + 2] = id, records[id]
    scores[setCount + 1], scores[setCount + 2] = score, id
    setCount = setCount + 2
  else
    delCount = delCount + 1
    dels[delCount] = id
  end
end
send('HSET', leasesKey, sets, setCount)
send('ZADD', leaseEndsKey, scores, setCount)
send('HDEL', leasesKey, dels, delCount)
send('ZREM', leaseEndsKey, dels, delCount)
return concat(out, '', 1, outCount)
`
