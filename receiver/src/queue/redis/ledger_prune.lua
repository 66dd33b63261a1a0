#!lua flags=allow-oom
-- Removes a webhook's oldest entries that have outlived their time or find no room. KEYS: webhooks, rows, order.
-- ARGV: webhook, how long to keep them, how many bytes, after how many to stop. Answers how many it removed.
local before, most = now_ms() - ARGV[2], tonumber(ARGV[3])
local held = tonumber(call('HGET', KEYS[1], ARGV[1] .. '|ledger_bytes') or 0)
local freed, dropped, last = 0, 0, nil
local gone = { key = KEYS[2] }
local from, ended = '-', false
while not ended and #gone < tonumber(ARGV[4]) do
  local order = call('XRANGE', KEYS[3], from, '+', 'COUNT', 20)
  ended = #order < 20
  for _, element in ipairs(order) do
    local is_old = tonumber(string.match(element[1], '^%d+')) < before
    if #gone >= tonumber(ARGV[4]) or not is_old and held - freed <= most then
      ended = true
      break
    end
    for id in string.gmatch(element[2][2], '[^ ]+') do
      freed = freed + call('HSTRLEN', KEYS[2], id)
      dropped = dropped + (is_old and 0 or 1)
      gone[#gone + 1] = id
    end
    last, from = element[1], '(' .. element[1]
  end
end
if last then
  in_chunks('HDEL', nil, gone)
  local ms, number = string.match(last, '^(%d+)-(%d+)$')
  call('XTRIM', KEYS[3], 'MINID', ms .. '-' .. text(number + 1))
  call('HINCRBY', KEYS[1], ARGV[1] .. '|ledger_bytes', -freed)
  if dropped > 0 then
    call('HINCRBY', KEYS[1], ARGV[1] .. '|ledger_dropped', dropped)
  end
end
return #gone
