import { room } from './room.ts'

/** What becomes of counters and leases; kept in tables until it is written. */
export const counters = `
-- Carry out. Changes are kept here and written at the end.
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

`
