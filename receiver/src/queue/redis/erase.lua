#!lua flags=allow-oom
-- Erases a contact. KEYS: counts, webhooks, four of the held set, four of the dead set, four of the unrouted set,
-- four of the delivered set, then due, state, touched, the line and the remembered record of each sink. ARGV: contact, who asked for it, then the
-- sinks.
local contact = ARGV[1]
local erased = 0
for at, kind in pairs({ [3] = 'held', [7] = 'dead', [11] = 'unrouted', [15] = 'delivered' }) do
  local prefix = contact .. '|'
  for _, member in ipairs(call('ZRANGE', KEYS[at + 3], '[' .. prefix, '[' .. prefix .. '\255', 'BYLEX')) do
    local id_sink = string.sub(member, #prefix + 1)
    local found, lead = take_dead_letter(at, id_sink)
    if found then
      count_discarded(KEYS[1], KEYS[2], kind, id_sink, lead, 'e', '', ARGV[2])
      erased = erased + 1
    else
      call('ZREM', KEYS[at + 3], member)
    end
  end
end
for i = 3, #ARGV do
  local at = 19 + (i - 3) * 5
  local line, counted = KEYS[at + 3], {}
  local length = call('LLEN', line)
  for from = 0, length - 1, 100 do
    local part = call('LRANGE', line, from, from + 99)
    for lead = 2, #part, 2 do
      local webhook = webhook_of(part[lead])
      counted[webhook] = (counted[webhook] or 0) + 1
      ledger_add(webhook, take(part[lead], 1) or '?', '1:e', now_ms(), ledger_act(ARGV[i], '', ARGV[2]))
    end
  end
  for webhook, leads in pairs(counted) do
    call('HINCRBY', KEYS[1], ARGV[i] .. '|' .. webhook .. '|discarded', leads)
  end
  erased = erased + length / 2
  call('ZREM', KEYS[at], contact)
  call('HDEL', KEYS[at + 1], contact)
  call('ZREM', KEYS[at + 2], contact)
  call('UNLINK', line, KEYS[at + 4])
end
ledger_end()
return erased
