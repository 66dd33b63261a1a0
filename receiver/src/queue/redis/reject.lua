#!lua
-- Keeps a request that could not become a lead. KEYS: webhooks, then the rejected set's four.
-- ARGV: id, webhook, how long to keep it, the reason as fields, body.
local now = now_ms()
local id_sink = ARGV[1] .. '|'
if call('HEXISTS', KEYS[2], id_sink) == 1 then
  return 0
end
local now, expires_at = text(now), text(now + ARGV[3])
local at = field(now)
local entry = at .. at .. field('0') .. field(ARGV[1]) .. field(ARGV[2]) .. ARGV[5]
local value = field('') .. field('') .. at .. field(expires_at) .. field('0') .. ARGV[4] .. entry
park(2, id_sink, ARGV[2], '', value, now, expires_at)
call('HINCRBY', KEYS[1], ARGV[2] .. '|rejected', 1)
return 1
