#!lua flags=allow-oom
-- Puts a parked lead at the end of its contact's line. KEYS: counts, the set's four, due, the line, the
-- contact's remembered record. ARGV: channel, sink, id, contact, the set's name, the record to remember
-- from now on and for how long (0: as before).
local id_sink = ARGV[3] .. '|' .. ARGV[2]
local contact, lead, times = unpark(2, id_sink)
if not contact then
  return 0
end
local now = text(now_ms())
local accepted_at = skip(times, 1, 1)
call('RPUSH', KEYS[7], field(now) .. string.sub(times, accepted_at), lead)
if ARGV[7] ~= '0' then
  call('SET', KEYS[8], ARGV[6], 'PX', ARGV[7])
end
call('ZADD', KEYS[6], 'NX', now, ARGV[4])
call('HINCRBY', KEYS[1], ARGV[2] .. '|' .. webhook_of(lead) .. '|' .. ARGV[5], -1)
call('PUBLISH', ARGV[1], ARGV[2])
return 1
