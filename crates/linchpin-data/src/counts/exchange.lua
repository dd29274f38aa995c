-- Writes what a node has counted and answers with what the others have: {node, calls, failures, slow, node, ...}.
-- KEYS[1]: the group. ARGV: node, calls, failures, slow, forget_after_us.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local forget = tonumber(ARGV[5])
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ string.format('%.0f', now), ARGV[2], ARGV[3], ARGV[4] }, ' '))
redis.call('PEXPIRE', KEYS[1], math.max(1000, math.ceil(forget / 1000)))
local answer = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, calls, failures, slow = string.match(all[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
  if not at or now - tonumber(at) >= forget then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then
    for _, number in ipairs({ all[i], calls, failures, slow }) do
      answer[#answer + 1] = number
    end
  end
end
return answer
