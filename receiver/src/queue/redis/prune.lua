#!lua flags=allow-oom
-- Removes what has outlived its retention. KEYS: counts, webhooks, the set's four. ARGV: the set's name, how many.
local over = call('ZRANGE', KEYS[5], '-inf', text(now_ms()), 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, member in ipairs(over) do
  local id_sink = string.match(member, '^([^|]*|[^|]*)|')
  local contact, lead = take_dead_letter(3, id_sink)
  if contact then
    count_discarded(KEYS[1], KEYS[2], ARGV[1], id_sink, lead, 'g', 'RetentionEnded', '')
  else
    call('ZREM', KEYS[5], member)
  end
end
ledger_end()
return #over
