#!lua flags=allow-oom
-- Counts failures in a row; opens or closes the circuit. KEYS: throttle.
-- ARGV: '1' if the CRM answered, failures that open the circuit (0: never), cooldown.
if ARGV[1] == '1' then
  call('HDEL', KEYS[1], 'failures', 'open_until', 'probe_until')
  return 0
end
local failures = call('HINCRBY', KEYS[1], 'failures', 1)
call('HDEL', KEYS[1], 'probe_until')
local opens = tonumber(ARGV[2])
if opens > 0 and failures >= opens then
  call('HSET', KEYS[1], 'open_until', text(now_ms() + math.max(1, tonumber(ARGV[3]))))
end
return failures
