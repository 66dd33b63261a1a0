#!lua flags=no-writes
-- Which contacts are due. KEYS: due. ARGV: how many at most.
-- Answers the milliseconds until the first is due (-1: none waits), then the contacts that are.
local now = now_ms()
local answer = { -1, unpack(call('ZRANGE', KEYS[1], '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[1])) }
if #answer > 1 then
  answer[1] = 0
else
  local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if first[2] then
    answer[1] = math.max(0, first[2] - now)
  end
end
return answer
