#!lua
-- Grants permits of one subject: the arithmetic of nsl.kit.limits, whose text explains it, for all replicas at once.
--
-- KEYS[1]: a hash with `tat` and `since`, microseconds since 1970, and permits granted by the second since 1970.
-- ARGV: limit and burst; the least and the most permits to grant.
-- Answers: permits granted, 0 if the least cannot be; permits left; microseconds until some come back (granted) or
-- until the least can be granted (refused); microseconds until there is one, 0 if there is.
local limit, burst, need, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local SPAN, COUNTED_SECONDS, WINDOW = 61e6, 62, 60e6
-- Longer than any subject needs to be as good as new: `tat` is at most span * limit / (limit - burst) ahead, 62.6 s.
local KEPT_SECONDS = 64
local interval = SPAN / math.max(limit - burst, 1)
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1e6 + tonumber(time[2])

local tat, since, used, counts, gone = now, now, 0, {}, {}
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local name, value = held[i], tonumber(held[i + 1])
  if name == 'tat' then
    -- The server's clock may have been set back: that must not lock anybody out for longer than a window.
    tat = math.min(value, now + KEPT_SECONDS * 1e6)
  elseif name == 'since' then
    since = math.min(value, now)
  else
    local age = second - tonumber(name)
    if age >= COUNTED_SECONDS or age <= -COUNTED_SECONDS then
      gone[#gone + 1] = name
    else
      age = math.max(age, 0)
      counts[age] = (counts[age] or 0) + value
      used = used + value
    end
  end
end
if tat <= now then
  tat, since = now, now
end

local function when_used(most)
  local above, moment = used - most, now
  for age = COUNTED_SECONDS - 1, 0, -1 do
    if above <= 0 then
      break
    end
    if counts[age] then
      above = above - counts[age]
      moment = (second - age + COUNTED_SECONDS) * 1e6
    end
  end
  return moment
end

local function wait(cost)
  if cost > limit then
    return WINDOW
  end
  local on_credit = when_used(limit - cost)
  if on_credit >= since + SPAN then
    on_credit = math.max(on_credit, tat)
  end
  if cost > burst then
    return on_credit - now
  end
  return math.min(on_credit, tat + (cost - burst) * interval) - now
end

local function left()
  local on_credit = now < since + SPAN and limit - used or 0
  return math.max(on_credit, burst - math.ceil((tat - now) / interval), 0)
end

local needed = wait(need)
if needed > 0 then
  return {0, left(), math.ceil(needed), math.ceil(needed)}
end
local granted = math.max(need, math.min(want, left()))
tat = tat + math.ceil(granted * interval)
used = used + granted
counts[0] = (counts[0] or 0) + granted
-- tostring() would round them to 14 digits.
redis.call('HSET', KEYS[1], 'tat', string.format('%.0f', tat), 'since', string.format('%.0f', since))
redis.call('HINCRBY', KEYS[1], string.format('%.0f', second), granted)
if #gone > 0 then
  redis.call('HDEL', KEYS[1], unpack(gone))
end
redis.call('EXPIRE', KEYS[1], KEPT_SECONDS)
return {granted, left(), when_used(used - 1) - now, math.max(math.ceil(wait(1)), 0)}
