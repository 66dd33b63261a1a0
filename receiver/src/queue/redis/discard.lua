#!lua flags=allow-oom
-- Removes a dead letter. KEYS: counts, webhooks, the set's four. ARGV: the set's name, id|sink, who asked for it, what that is in the
-- ledger.
local contact, lead = take_dead_letter(3, ARGV[2])
if not contact then
  return 0
end
count_discarded(KEYS[1], KEYS[2], ARGV[1], ARGV[2], lead, ARGV[4], '', ARGV[3])
ledger_end()
return 1
