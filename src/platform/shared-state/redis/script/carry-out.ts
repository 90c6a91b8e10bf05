import { room } from './room.ts'

/** The operations, one after another; then everything they changed is written. */
export const carryOut = `
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
      records[id], leases[id], leaseScore[id] = pack('<BH', CANCELLED, 0), { CANCELLED, { n = 0 } }, now + MINUTE
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

-- Write.
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
