#!lua flags=allow-oom
-- Leases the first lead of the contacts that are still due.
-- KEYS: due, state, touched, then the line and the remembered record of each contact.
-- ARGV: lease, how many bytes, the token, then the contacts.
-- Answers the milliseconds until the next is due (-1: none waits), then for each lead its contact, token,
-- attempt, for how long the CRM may have it (in doubt; -1: it does not), claims without an outcome, record, times and lead.
local now = now_ms()
local lease, room, claimed = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local contacts = { unpack(ARGV, 4) }
local scores, states = {}, {}
if #contacts > 0 then
  scores = call('ZMSCORE', KEYS[1], unpack(contacts))
  states = call('HMGET', KEYS[2], unpack(contacts))
end

local answer = { -1 }
local due, state = { key = KEYS[1] }, { key = KEYS[2] }
local touched = { key = KEYS[3] }
for i, contact in ipairs(contacts) do
  local is_due = scores[i] and tonumber(scores[i]) <= now
  local times, lead = unpack(is_due and room > 0 and call('LRANGE', KEYS[2 + 2 * i], 0, 1) or {})
  if lead then
    room = room - #lead
    local token, attempts, in_doubt, lost, why = '0', '0', '0', '0', ''
    if states[i] then
      token, attempts, in_doubt, lost, why = read_state(states[i])
    end
    -- A claim whose lease ran out: its worker died or hangs, and may have reached the CRM.
    if token ~= '0' then
      in_doubt, lost = text(now), text(tonumber(lost) + 1)
    end
    local attempt = text(tonumber(attempts) + 1)
    local _, record = read_record(KEYS[3 + 2 * i])
    state[#state + 1] = contact
    state[#state + 1] = put_state(claimed, attempt, in_doubt, lost, why)
    due[#due + 1] = text(now + lease)
    due[#due + 1] = contact
    touched[#touched + 1] = text((read_times(times)))
    touched[#touched + 1] = contact
    local doubted = in_doubt == '0' and -1 or math.max(0, now - tonumber(in_doubt))
    answer[#answer + 1] = { contact, claimed, attempt, doubted, lost, record or false, times, lead }
  elseif is_due and room > 0 then
    -- No line behind this contact: nothing to hand out, and nothing to come back to.
    call('ZREM', KEYS[1], contact)
    call('ZREM', KEYS[3], contact)
    call('HDEL', KEYS[2], contact)
  end
end
in_chunks('HSET', nil, state)
in_chunks('ZADD', nil, due)
in_chunks('ZADD', nil, touched)

local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] then
  answer[1] = math.max(0, first[2] - now)
end
return answer
