import { room } from './room.ts'

/** Whether a reservation fits, and for how many in a row that ask for the same. */
export const reserve = `
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
  if most == 0 or terms.repeats then return 0 end
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

`
