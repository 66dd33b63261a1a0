#!lua flags=allow-oom
-- Extends leases that are still held. KEYS: due, state. ARGV: lease, then a contact and token for each.
local until_ms = text(now_ms() + ARGV[1])
local answers = {}
for arg = 2, #ARGV, 2 do
  local state = call('HGET', KEYS[2], ARGV[arg])
  local token = state and string.match(state, '^(%d+) ')
  if token and token ~= '0' and token == ARGV[arg + 1] then
    call('ZADD', KEYS[1], 'XX', until_ms, ARGV[arg])
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
return answers
