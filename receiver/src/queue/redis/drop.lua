#!lua flags=allow-oom
-- Removes a lead that waits. KEYS: counts, due, state, touched and line of its sink. ARGV: channel, id, contact, sink, who
-- asked for it, what that is in the ledger.
local lead = take_waiting(2, ARGV[3], ARGV[2], now_ms())
if not lead then
  return 0
end
call('HINCRBY', KEYS[1], ARGV[4] .. '|' .. webhook_of(lead) .. '|discarded', 1)
ledger_add(webhook_of(lead), ARGV[2], '1:' .. ARGV[6], now_ms(), ledger_act(ARGV[4], '', ARGV[5]))
ledger_end()
call('PUBLISH', ARGV[1], ARGV[4])
return 1
