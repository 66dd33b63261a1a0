#!lua flags=allow-oom
-- Removes a lead that waits. KEYS: counts, due, state, touched and line of its sink. ARGV: channel, id, contact, sink.
local lead = take_waiting(2, ARGV[3], ARGV[2], now_ms())
if not lead then
  return 0
end
call('HINCRBY', KEYS[1], ARGV[4] .. '|' .. webhook_of(lead) .. '|discarded', 1)
call('PUBLISH', ARGV[1], ARGV[4])
return 1
