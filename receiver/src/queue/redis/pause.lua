#!lua flags=allow-oom
-- Stops deliveries; the later end wins, or the later word of a person. KEYS: throttle. ARGV: for how long, reason, '1' of a
-- person.
local until_ms = now_ms() + ARGV[1]
local persons = ARGV[3] == '1' and call('HGET', KEYS[1], 'persons') == '1'
if persons or until_ms > tonumber(call('HGET', KEYS[1], 'paused_until') or 0) then
  call('HSET', KEYS[1], 'paused_until', text(until_ms), 'reason', ARGV[2], 'persons', ARGV[3])
end
return 1
