-- Judges a visit by all quotas of a key, and takes of all or of none.
-- KEYS: a state for each quota, all in one slot. ARGV: cost, max_wait_us, now_us or '', then interval, burst and longest
-- wait of each quota. Answers {passes, remaining, wait_us, reset_us, remaining, ...}.
local cost, most, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local before, after, waits, passes, healed = {}, {}, {}, true, false
for i, key in ipairs(KEYS) do
  local interval, burst, longest = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local paid = tonumber(redis.call('GET', key)) or now
  -- Heals a clock that went back, and a burst that shrank. That is written whatever is decided: otherwise each who is
  -- refused would find it unhealed, and be refused until the clock is where it was.
  before[i] = math.min(math.max(paid, now), now + burst * interval + longest)
  if before[i] < paid then healed = true end
  after[i] = before[i] + cost * interval
  waits[i] = math.max(after[i] - burst * interval - now, 0)
  if cost > 0 and waits[i] > most then passes = false end
end
local answer = { passes and 1 or 0 }
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local stands = passes and after[i] or before[i]
  if cost > 0 and (passes or healed) then
    local time_to_full = math.max(1000, math.ceil((stands - now) / 1000))
    redis.call('SET', key, string.format('%.0f', stands), 'PX', time_to_full)
  end
  answer[3 * i - 1] = math.max(math.floor((now + burst * interval - stands) / interval), 0)
  answer[3 * i] = waits[i]
  answer[3 * i + 1] = stands - now
end
return answer
