#!lua flags=no-writes
-- A part of a set of dead letters, newest first. KEYS: values, members by time.
-- ARGV: time and member to continue after ('' to begin), how many at most, how many to look at, sink ('' for
-- all), webhook ('' for all).
-- Answers time and member looked at last ('' at the end), then the values.
local start = 0
if ARGV[2] ~= '' then
  local rank = call('ZREVRANK', KEYS[2], ARGV[2])
  -- Gone meanwhile: from the first that is as old. Something may then be shown twice, nothing is left out.
  start = rank and rank + 1 or call('ZCOUNT', KEYS[2], '(' .. ARGV[1], '+inf')
end
local wanted, looks = tonumber(ARGV[3]), tonumber(ARGV[4])
local members = call('ZREVRANGE', KEYS[2], start, start + looks - 1, 'WITHSCORES')
local answer = { '', '' }
for i = 1, #members, 2 do
  local id_sink, webhook = string.match(members[i], '^([^|]*|[^|]*)|(.*)$')
  local sink = string.match(id_sink, '|(.*)$')
  if (ARGV[5] == '' or ARGV[5] == sink) and (ARGV[6] == '' or ARGV[6] == webhook) then
    local value = call('HGET', KEYS[1], id_sink)
    if value then
      answer[#answer + 1] = value
    end
  end
  if #answer - 2 == wanted or i + 1 == looks * 2 then
    answer[1], answer[2] = members[i + 1], members[i]
    break
  end
end
return answer
