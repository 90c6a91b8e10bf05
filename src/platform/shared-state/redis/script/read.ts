import { room } from './room.ts'

/** Takes the message apart, then loads the leases and counters it names. */
export const read = `
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

-- Names, amounts and flags: what a lease keeps of the message, in the message and in its record.
local namedBy = {}
local function readHeld(text, at, n)
  local numbers, repeats = {}, false
  for i = 1, n do
    local key
    key, at = read('<Hc0', text, at)
    local number = numberFor(key)
    numbers[i] = number
    if namedBy[number] == numbers then repeats = true end
    namedBy[number] = numbers
  end
  local flagsAt = at + 8 * n
  return { n = n, numbers = numbers, repeats = repeats, amounts = { read(doubles(n), text, at) }, flags = { byte(text, flagsAt, flagsAt + n - 1) } }, flagsAt + n
end

-- Read the operations.
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

-- Load the leases that are named and those that expired, then all counters.
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

`
