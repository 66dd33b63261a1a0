#!lua flags=allow-oom
-- Stops deliveries; the later end wins. KEYS: throttle. ARGV: for how long, reason.
local until_ms = now_ms() + ARGV[1]
if until_ms > tonumber(call('HGET', KEYS[1], 'paused_until') or 0) then
  call('HSET', KEYS[1], 'paused_until', text(until_ms), 'reason', ARGV[2])
end
return 1
