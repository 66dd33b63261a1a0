#!lua
-- Keeps a request that could not become a lead. KEYS: webhooks, then the rejected set's four.
-- ARGV: id, webhook, how long to keep it, the reason as fields, body, how many bytes may be kept of the webhook's,
-- what stands behind the time in its entry of the ledger, people. Answers 1: it is kept; 0: it is not, since its person is
-- suppressed.
local now = now_ms()
local id_sink = ARGV[1] .. '|'
if call('HEXISTS', KEYS[2], id_sink) == 1 then
  return 1
end
if is_suppressed(ARGV[2], ARGV[8]) then
  call('HINCRBY', KEYS[1], ARGV[2] .. '|rejected', 1)
  ledger_open(ARGV[2], ARGV[1], '1:R' .. field(text(now)) .. ENTRY_OF_SUPPRESSED)
  ledger_end()
  return 0
end
local now, expires_at = text(now), text(now + ARGV[3])
local at = field(now)
local lead = field(ARGV[1]) .. field(ARGV[2]) .. ARGV[5]
local value = field('') .. field('') .. at .. field(expires_at) .. field('0') .. ARGV[4] .. at .. at .. field('0') .. lead
dead_letter(2, id_sink, ARGV[2], '', value, now, expires_at)
call('HINCRBY', KEYS[1], ARGV[2] .. '|rejected', 1)
ledger_open(ARGV[2], ARGV[1], '1:R' .. at .. ARGV[7])
ledger_end()

-- The webhook's requests by time, in the same hash slot: the oldest make room.
local by_time = KEYS[1] .. ':rejected:' .. ARGV[2]
call('ZADD', by_time, now, ARGV[1])
local kept = call('HINCRBY', KEYS[1], ARGV[2] .. '|rejected_bytes', #lead)
while kept > tonumber(ARGV[6]) do
  local oldest = call('ZPOPMIN', by_time)[1]
  if not oldest then
    break
  end
  local _, gone = take_dead_letter(2, oldest .. '|')
  if gone then
    kept = call('HINCRBY', KEYS[1], ARGV[2] .. '|rejected_bytes', -#gone)
    call('HINCRBY', KEYS[1], ARGV[2] .. '|rejected_dropped', 1)
  end
end
return 1
