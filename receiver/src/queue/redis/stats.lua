#!lua flags=no-writes
-- Figures of sinks, all of one moment. KEYS: counts, then due, touched and throttle of each sink.
-- Answers the time, the counts, then for each sink the first times in due and touched, and of the throttle
-- paused_until, reason, open_until.
local answer = { text(now_ms()), call('HGETALL', KEYS[1]) }
for at = 2, #KEYS, 3 do
  local due = call('ZRANGE', KEYS[at], 0, 0, 'WITHSCORES')
  local touched = call('ZRANGE', KEYS[at + 1], 0, 0, 'WITHSCORES')
  local throttle = call('HMGET', KEYS[at + 2], 'paused_until', 'reason', 'open_until')
  answer[#answer + 1] = { due[2] or '', touched[2] or '', throttle[1] or '', throttle[2] or '', throttle[3] or '' }
end
return answer
