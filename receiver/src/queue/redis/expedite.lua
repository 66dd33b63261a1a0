#!lua flags=allow-oom
-- Makes a contact's line due now, if the lead is in it and none of it is being delivered. KEYS: due, state, line.
-- ARGV: channel, id, contact, sink.
local now = now_ms()
local held, score = call('HGET', KEYS[2], ARGV[3]), call('ZSCORE', KEYS[1], ARGV[3])
local late = score and tonumber(score) > now
if not find_waiting(KEYS[3], ARGV[2]) or (held and read_state(held) ~= '0' and late) then
  return 0
end
if late then
  call('ZADD', KEYS[1], text(now), ARGV[3])
end
call('PUBLISH', ARGV[1], ARGV[4])
return 1
