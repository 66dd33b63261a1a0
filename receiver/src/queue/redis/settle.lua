#!lua flags=allow-oom
-- Ends claims, each on its own.
-- KEYS: counts, due, state, touched, four of the held set, four of the dead set, then the line and the
-- remembered record of each contact.
-- ARGV: channel, sink, then for each claim its contact, token, kind of outcome, and two values:
--   delivered: the CRM record, how long to remember it (0: not);  retry: after, whether unknown (1, 0, or as before);
--   release: after;  held, dead: how long to keep it, the reason as fields.
local now = now_ms()
local sink = ARGV[2]
local HELD, DEAD, PER_CLAIM = 5, 9, 5

local due, state, touched = { key = KEYS[2] }, { key = KEYS[3] }, { key = KEYS[4] }
local gone = { due = { key = KEYS[2] }, state = { key = KEYS[3] }, touched = { key = KEYS[4] } }
local counted, delivered, settled = {}, {}, {}

local function count(webhook, what)
  local name = sink .. '|' .. webhook .. '|' .. what
  counted[name] = (counted[name] or 0) + 1
end

local function put_back(contact, after, attempts, unknown)
  state[#state + 1] = contact
  state[#state + 1] = '0 ' .. text(attempts) .. ' ' .. unknown
  due[#due + 1] = text(now + after)
  due[#due + 1] = contact
end

-- The contact's next lead is due since it came; without one the contact is forgotten.
local function next_head(contact, line)
  gone.state[#gone.state + 1] = contact
  gone.touched[#gone.touched + 1] = contact
  local head = call('LINDEX', line, 0)
  if head then
    due[#due + 1] = take(head, 1) or text(now)
    due[#due + 1] = contact
  else
    gone.due[#gone.due + 1] = contact
  end
end

local answers = {}
for arg = 3, #ARGV, PER_CLAIM do
  local contact, kind, value = ARGV[arg], ARGV[arg + 2], ARGV[arg + 3]
  local line = KEYS[13 + (arg - 3) / PER_CLAIM * 2]
  local record = KEYS[14 + (arg - 3) / PER_CLAIM * 2]
  local held = not settled[contact] and call('HGET', KEYS[3], contact)
  local token, attempts, unknown
  if held then
    token, attempts, unknown = string.match(held, '^(%d+) (%d+) (%d+)$')
  end
  if not token or token == '0' or token ~= ARGV[arg + 1] then
    answers[#answers + 1] = 0
  else
    answers[#answers + 1] = 1
    settled[contact] = true
    if kind == 'retry' then
      put_back(contact, tonumber(value), tonumber(attempts), ARGV[arg + 4] ~= '' and ARGV[arg + 4] or unknown)
    elseif kind == 'release' then
      put_back(contact, tonumber(value), math.max(0, tonumber(attempts) - 1), unknown)
    else
      local times, lead = unpack(call('LPOP', line, 2) or {})
      if lead then
        local webhook = webhook_of(lead)
        count(webhook, kind)
        if kind == 'delivered' then
          delivered[webhook] = true
          if ARGV[arg + 4] ~= '0' then
            call('SET', record, value, 'PX', ARGV[arg + 4])
          end
        else
          local id = take(lead, 1) or '?'
          local expires_at = now + value
          local parked = field(sink) .. field(contact) .. field(text(now)) .. field(text(expires_at))
            .. field(attempts) .. ARGV[arg + 4] .. times .. lead
          park(kind == 'held' and HELD or DEAD, id .. '|' .. sink, webhook, contact, parked, now, expires_at)
        end
      end
      next_head(contact, line)
    end
  end
end

in_chunks('HDEL', nil, gone.state)
in_chunks('ZREM', nil, gone.touched)
in_chunks('ZREM', nil, gone.due)
in_chunks('HSET', nil, state)
in_chunks('ZADD', nil, due)
for name, leads in pairs(counted) do
  call('HINCRBY', KEYS[1], name, leads)
end
for webhook in pairs(delivered) do
  call('HSET', KEYS[1], sink .. '|' .. webhook .. '|last', text(now))
end
if #due > 0 then
  call('PUBLISH', ARGV[1], sink)
end
return answers
