#!lua flags=no-writes
-- Which contacts are due. KEYS: due, state, touched. ARGV: how many at most; how many to look at, from the one that became due last, for
-- those whose first lead has not been tried, newest first (0: all that are due, oldest first).
-- Answers the milliseconds until the first is due (-1: none waits), then the contacts that are.
local now = now_ms()
local answer = { -1 }
if ARGV[2] == '0' then
  answer = { -1, unpack(call('ZRANGE', KEYS[1], '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[1])) }
else
  local due = call('ZRANGE', KEYS[1], text(now), '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[2])
  local states = #due > 0 and call('HMGET', KEYS[2], unpack(due)) or {}
  local scores = #due > 0 and call('ZMSCORE', KEYS[1], unpack(due)) or {}
  local touched = #due > 0 and call('ZMSCORE', KEYS[3], unpack(due)) or {}
  local untried = {}
  for i, contact in ipairs(due) do
    local _, attempts = read_state(states[i] or '')
    if (attempts or '0') == '0' then
      -- Not by when it is due: what was put back is due last.
      untried[#untried + 1] = { contact, tonumber(touched[i] or scores[i]) }
    end
  end
  table.sort(untried, function(a, b) return a[2] > b[2] end)
  for i = 1, math.min(#untried, tonumber(ARGV[1])) do
    answer[i + 1] = untried[i][1]
  end
end
if #answer > 1 then
  answer[1] = 0
else
  local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if first[2] then
    answer[1] = math.max(0, first[2] - now)
  end
end
return answer
