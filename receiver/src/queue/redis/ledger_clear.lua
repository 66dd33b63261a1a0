#!lua flags=allow-oom
-- Makes an entry say nothing of a person. KEYS: webhooks, rows. ARGV: webhook, id, who asked for it.
local row = call('HGET', KEYS[2], ARGV[2])
if not row then
  return 0
end
-- Behind the five fields of the entry stand nine for each event; the people are the fifth, a record the seventh.
local cleared, at, number = {}, 1, 0
while at <= #row do
  local value
  value, at = take(row, at)
  if not value then
    return redis.error_reply('the entry is unreadable')
  end
  if number == 4 or (number >= 5 and (number - 5) % 9 == 6) then
    value = ''
  end
  cleared[#cleared + 1] = field(value)
  number = number + 1
end
local now = table.concat(cleared)
call('HSET', KEYS[2], ARGV[2], now)
ledger_grown[ARGV[1]] = #now - #row
ledger_add(ARGV[1], ARGV[2], '1:e', now_ms(), ledger_act('', '', ARGV[3]))
ledger_end()
return 1
