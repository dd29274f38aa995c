-- Lets nothing of a key pass for a time. KEYS and ARGV as of a visit, whose wait is the time.
local wait, now = tonumber(ARGV[2]), tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
for i, key in ipairs(KEYS) do
  local interval, burst, longest = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local paid = tonumber(redis.call('GET', key)) or now
  paid = math.min(math.max(paid, now), now + burst * interval + longest)
  paid = math.max(paid, now + math.min(wait, longest) + (burst - 1) * interval)
  if paid > now then
    redis.call('SET', key, string.format('%.0f', paid), 'PX', math.max(1000, math.ceil((paid - now) / 1000)))
  end
end
return {}
