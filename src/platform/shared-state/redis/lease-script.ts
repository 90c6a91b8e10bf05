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
 * read by one call, what calls of one caller have in common is read once (`terms`), and calls that ask for the same are
 * granted together. Tables are written with room for a usual message: growing them costs more than all commands.
 */
const room = `{${'false, '.repeat(24)}}`

export const leaseScript = `
local countersKey, leasesKey, leaseEndsKey, windowEndsKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local message = ARGV[1]
local call, read, pack, concat, sub, byte, min, floor = redis.call, struct.unpack, struct.pack, table.concat, string.sub, string.byte, math.min, math.floor
local time = call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)

local HOUR, MINUTE, REAPED, SWEPT, CHUNK = 3600000, 60000, 100, 1000, 3000
local LIVE, EXPIRED, CANCELLED = 1, 2, 3
local PARALLEL, FOREVER, RATE, UNTIL, OVERDRAFT = 0, 1, 2, 3, 4
local KIND = { [0] = 0, 1, 2, 3, 0, 1, 2, 3 }
local ASK, HUGE = -1, math.huge

local formats = {}
local function doubles(n)
  local format = formats[n]
  if not format then
    format = '<' .. string.rep('d', n)
    formats[n] = format
  end
  return format
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
local numbersOf, namedBy = {}, {}
local function numbersFor(names)
  local numbers = numbersOf[names]
  if not numbers then
    numbers = {}
    local at, size, n, key = 1, #names, 0, nil
    while at <= size do
      key, at = read('<Hc0', names, at)
      local number = numberFor(key)
      n = n + 1
      numbers[n] = number
      if namedBy[number] == numbers then numbers.repeats = true end
      namedBy[number] = numbers
    end
    numbersOf[names] = numbers
  end
  return numbers
end

-- Names, amounts and flags: what a lease keeps of the message, in the message and in its record.
local function readHeld(text, at, n)
  local names
  names, at = read('<Ic0', text, at)
  local flagsAt = at + 8 * n
  return { n = n, numbers = numbersFor(names), amounts = { read(doubles(n), text, at) }, flags = { byte(text, flagsAt, flagsAt + n - 1) } }, flagsAt + n
end

-- 1. Read the operations.
local codes, ids, values, count = {}, {}, {}, 0
local wanted, wantedCount = {}, 0
local at, size = 1, #message
while at <= size do
  local o, code = count + 1, byte(message, at)
  count = o
  codes[o] = code
  at = at + 1
  if code == 1 then
    local many, ttl, n, terms
    many, ttl, n, at = read('<HdH', message, at)
    local group = {}
    for i = 1, many do
      local id
      id, at = read('<Hc0', message, at)
      group[i] = id
      wanted[wantedCount + i] = id
    end
    wantedCount = wantedCount + many
    local heldAt = at
    terms, at = readHeld(message, at, n)
    terms.held, terms.ttl, terms.ends = sub(message, heldAt, at - 1), ttl, {}
    terms.limits = { read(doubles(n), message, at) }
    terms.spans = { read(doubles(n), message, at + 8 * n) }
    terms.seedsAt = at + 16 * n
    at = at + 24 * n
    ids[o], values[o] = group, terms
  elseif code <= 5 then
    local id
    id, at = read('<Hc0', message, at)
    ids[o] = id
    wantedCount = wantedCount + 1
    wanted[wantedCount] = id
    if code == 2 then
      local n
      n, at = read('<H', message, at)
      values[o] = { read(doubles(n), message, at) }
      at = at + 8 * n
    elseif code == 5 then
      values[o], at = read('<d', message, at)
    end
  elseif code <= 8 then
    local amount, span, flag, key
    amount, span, flag, key, at = read('<ddBHc0', message, at)
    values[o] = { numberFor(key), KIND[flag], amount, span }
  end
end

-- 2. Load the leases that are named and those that expired, then all counters.
local lost = call('ZRANGEBYSCORE', leaseEndsKey, '-inf', now, 'LIMIT', 0, REAPED)
for i = 1, #lost do wanted[wantedCount + i] = lost[i] end
wantedCount = wantedCount + #lost

local records, leases, termsOf = {}, {}, {}
local function termsIn(record)
  local terms = termsOf[record]
  if not terms then
    local n = read('<H', record, 2)
    terms = readHeld(record, 4 + 8 * n, n)
    terms.ends = { read(doubles(n), record, 4) }
    termsOf[record] = terms
  end
  return terms
end
for from = 1, wantedCount, CHUNK do
  local to = min(from + CHUNK - 1, wantedCount)
  local found = call('HMGET', leasesKey, unpack(wanted, from, to))
  for i = from, to do
    local id, record = wanted[i], found[i - from + 1]
    if record and not records[id] then
      records[id] = record
      leases[id] = { byte(record), termsIn(record) }
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
  local isLive, terms = lease[1] == LIVE, lease[2]
  local numbers, amounts, flags, endOf = terms.numbers, terms.amounts, terms.flags, terms.ends
  for i = 1, terms.n do
    local number = numbers[i]
    if used[number] and ends[number] == endOf[i] then
      local isParallel = KIND[flags[i]] == PARALLEL
      if isLive then
        reserved[number] = reserved[number] - amounts[i]
        if isParallel then
          idle = idle or {}
          idle[number] = true
        end
      end
      if actual and not isParallel then
        local amount = actual[i]
        if amount and amount > 0 then used[number] = used[number] + amount end
      end
      packed[number] = false
      if not isDirty[number] then touch(number) end
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

local isFresh, nowUsed, nowReserved = ${room}, ${room}, ${room}

-- What stands in the way of a reservation; nothing is changed by asking. The items that want a seed, or the one that
-- refuses; then whether a window has to start.
local function hindrance(terms)
  local numbers, amounts, limits, flags, spans, endOf = terms.numbers, terms.amounts, terms.limits, terms.flags, terms.spans, terms.ends
  local unseeded, refusing, anyFresh = nil, nil, false
  for i = 1, terms.n do
    local number, flag, amount, limit = numbers[i], flags[i], amounts[i], limits[i]
    local kind, u, r = KIND[flag], used[number], 0
    if u and (kind < RATE or runs(number, kind, spans[i])) then
      r = reserved[number]
      isFresh[i] = false
      endOf[i] = ends[number]
    else
      if u then
        u = 0
      else
        u = read('<d', message, terms.seedsAt + 8 * (i - 1))
        if u == ASK then
          unseeded = unseeded or {}
          unseeded[#unseeded + 1] = pack('<H', i - 1)
        end
        if u < 0 then u = 0 end
      end
      isFresh[i], anyFresh = true, true
      endOf[i] = newEnd(kind, spans[i])
    end
    nowUsed[i], nowReserved[i] = u, r
    local fits = u + r + amount <= limit or flag >= OVERDRAFT and r == 0 and u < limit
    if not refusing and not (fits and amount < HUGE) then refusing = i end
  end
  return unseeded, refusing, anyFresh
end

local function take(terms, anyFresh)
  local numbers, amounts, flags, endOf = terms.numbers, terms.amounts, terms.flags, terms.ends
  local begun = anyFresh and {}
  for i = 1, terms.n do
    local number, amount = numbers[i], amounts[i]
    if anyFresh and isFresh[i] then
      if not begun[number] then
        begun[number] = true
        start(number, KIND[flags[i]], endOf[i], nowUsed[i])
      end
      endOf[i] = ends[number]
    end
    if amount ~= 0 then
      reserved[number] = reserved[number] + amount
      touch(number)
    end
  end
end

-- How many more of the same fit after one that did, at most: what each takes brings the next one nearer to the limit,
-- and nothing else changes. Not told of leases that name a counter twice.
local function roomFor(terms, most)
  if most == 0 or terms.numbers.repeats then return 0 end
  local numbers, amounts, limits = terms.numbers, terms.amounts, terms.limits
  for i = 1, terms.n do
    local number, amount = numbers[i], amounts[i]
    if amount > 0 then
      local free = limits[i] - used[number] - reserved[number]
      local fit = floor(free / amount)
      if fit * amount > free then fit = fit - 1 end
      if fit < most then most = fit end
    end
  end
  if most <= 0 then return 0 end
  for i = 1, terms.n do
    local number, amount = numbers[i], amounts[i]
    if amount > 0 then reserved[number] = reserved[number] + most * amount end
  end
  return most
end

-- Answers once for as many of the group, one after another, as fare alike.
local function reserve(group, terms)
  local from, last, n, record, seen = 1, #group, terms.n, nil, {}
  local expiry = string.format('%.17g', now + terms.ttl)
  while from <= last do
    local alike = from
    if records[group[from]] then
      answer('\\4\\1\\0')
    else
      seen[group[from]] = from
      while alike < last do
        local next = group[alike + 1]
        if records[next] or seen[next] == from then break end
        seen[next] = from
        alike = alike + 1
      end
      local unseeded, refusing, anyFresh = hindrance(terms)
      if unseeded then
        answer(pack('<BHH', 3, alike - from + 1, #unseeded) .. concat(unseeded))
      elseif refusing then
        answer(pack('<BHH', 2, alike - from + 1, refusing - 1))
        for i = 1, n do answer(pack('<ddd', nowUsed[i], nowReserved[i], terms.ends[i])) end
      else
        take(terms, anyFresh)
        alike = from + roomFor(terms, alike - from)
        answer(pack('<BH', 1, alike - from + 1))
        local numbers = terms.numbers
        for i = 1, n do answer(packedOf(numbers[i])) end
        record = record or pack('<BH', LIVE, n) .. pack(doubles(n), unpack(terms.ends, 1, n)) .. terms.held
        for i = from, alike do
          local id = group[i]
          records[id], leases[id], leaseScore[id] = record, { LIVE, terms }, expiry
        end
      end
    end
    from = alike + 1
  end
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
    reserve(id, values[o])
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
      records[id], leases[id], leaseScore[id] = pack('<BHI', CANCELLED, 0, 0), { CANCELLED, { n = 0 } }, now + MINUTE
    end
  elseif code == 5 then
    local lease = leases[id]
    if lease and lease[1] == LIVE then leaseScore[id] = now + values[o] end
  elseif code == 6 then
    local number = values[o][1]
    if used[number] and (ends[number] == 0 or now < ends[number]) then
      answer(packedOf(number))
    else
      answer(pack('<ddd', 0, 0, 0))
    end
  elseif code <= 8 then
    local number, kind, amount, span = unpack(values[o])
    if not used[number] or not runs(number, kind, span) then start(number, kind, newEnd(kind, span), 0) end
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
