#!lua flags=allow-oom
-- Ends claims, each on its own.
-- KEYS: counts, due, state, touched, four of the held set, four of the dead set, four of the unrouted set, four of the
-- delivered set, then the line
-- and the remembered record of each contact.
-- ARGV: channel, sink, then for each claim its contact, token, webhook, id, two parts of its event in the ledger ('' for
-- none: the time comes between them), kind of outcome, and three values:
--   delivered: the CRM record ('': not known), how long to remember it, how long to keep the payload (0: not);
--   retry: after, why, whether it is in doubt from now on (1, or as before);  release: after, why ('': as before);  discarded: 0;  held, dead: how long to keep it, the reason as fields.
local now = now_ms()
local sink = ARGV[2]
local HELD, DEAD, UNROUTED, KEPT, PER_CLAIM = 5, 9, 13, 17, 10

local due, state, touched = { key = KEYS[2] }, { key = KEYS[3] }, { key = KEYS[4] }
local gone = { due = { key = KEYS[2] }, state = { key = KEYS[3] }, touched = { key = KEYS[4] } }
local counted, delivered, settled = {}, {}, {}

local function count(webhook, what)
  local name = sink .. '|' .. webhook .. '|' .. what
  counted[name] = (counted[name] or 0) + 1
end

local function put_back(contact, after, attempts, in_doubt, lost, why)
  state[#state + 1] = contact
  state[#state + 1] = put_state('0', text(attempts), in_doubt, lost, why)
  due[#due + 1] = text(now + after)
  due[#due + 1] = contact
end

-- The contact's next lead is due since it came; without one the contact is forgotten.
local function next_head(contact, line, newest)
  gone.state[#gone.state + 1] = contact
  gone.touched[#gone.touched + 1] = contact
  local since = new_head(line, newest)
  if since then
    due[#due + 1] = since
    due[#due + 1] = contact
  else
    gone.due[#gone.due + 1] = contact
  end
end

-- Marks what is set aside of a contact, if it is older than a lead that was delivered.
local filled = {}
for _, at in ipairs({ HELD, DEAD, UNROUTED, KEPT }) do
  if call('EXISTS', KEYS[at]) == 1 then
    filled[#filled + 1] = at
  end
end
local function overtake(contact, delivered)
  local prefix = contact .. '|'
  for _, at in ipairs(filled) do
    for _, member in ipairs(call('ZRANGE', KEYS[at + 3], '[' .. prefix, '[' .. prefix .. '\255', 'BYLEX')) do
      local id_sink = string.sub(member, #prefix + 1)
      local of = string.match(id_sink, '|(.*)$')
      local value = (of == sink or of == '') and call('HGET', KEYS[at], id_sink)
      if value then
        local times = skip(value, 1, 8)
        local behind = skip(value, times, 3)
        local queued_at, accepted_at, newest = read_times(string.sub(value, times, behind - 1))
        if accepted_at < delivered and newest < delivered then
          call('HSET', KEYS[at], id_sink, string.sub(value, 1, times - 1)
            .. put_times(queued_at, accepted_at, delivered) .. string.sub(value, behind))
        end
      end
    end
  end
end

local answers = {}
for arg = 3, #ARGV, PER_CLAIM do
  local contact, kind, value, second, third = ARGV[arg], unpack(ARGV, arg + 6, arg + 9)
  local line = KEYS[21 + (arg - 3) / PER_CLAIM * 2]
  local record = KEYS[22 + (arg - 3) / PER_CLAIM * 2]
  local held = not settled[contact] and call('HGET', KEYS[3], contact)
  local token, attempts, in_doubt, lost, why
  if held then
    token, attempts, in_doubt, lost, why = read_state(held)
  end
  if not token or token == '0' or token ~= ARGV[arg + 1] then
    answers[#answers + 1] = 0
  else
    answers[#answers + 1] = 1
    settled[contact] = true
    if ARGV[arg + 4] ~= '' then
      ledger_add(ARGV[arg + 2], ARGV[arg + 3], ARGV[arg + 4], now, ARGV[arg + 5], kind == 'retry')
    end
    if kind == 'retry' then
      put_back(contact, tonumber(value), tonumber(attempts), third ~= '' and text(now) or in_doubt, '0', second)
    elseif kind == 'release' then
      why = second ~= '' and second or why
      put_back(contact, tonumber(value), math.max(0, tonumber(attempts) - 1), in_doubt, lost, why)
    else
      local times, lead = unpack(call('LPOP', line, 2) or {})
      local newest = 0
      if lead then
        local webhook = webhook_of(lead)
        local _, accepted_at, known = read_times(times)
        newest = known
        count(webhook, kind)
        if kind == 'delivered' then
          newest = math.max(known, accepted_at)
          overtake(contact, accepted_at)
          delivered[webhook] = true
          local before, of = read_record(record)
          if value == '' then
            -- What is remembered of the record stays.
            value, second = of or '', math.max(second, call('PTTL', record))
          end
          put_record(record, math.max(before, newest), value, second)
        end
        local set, keep, reason = kind == 'held' and HELD or DEAD, value, second
        if kind == 'delivered' then
          set, keep, reason = KEPT, third, '0:0:0:'
        end
        if keep ~= '0' then
          local id = take(lead, 1) or '?'
          local dead_lettered_at, expires_at = text(now), text(now + keep)
          local packed = field(sink) .. field(contact) .. field(dead_lettered_at) .. field(expires_at)
            .. field(attempts) .. reason .. times .. lead
          dead_letter(set, id .. '|' .. sink, webhook, contact, packed, dead_lettered_at, expires_at)
        end
      end
      next_head(contact, line, newest)
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
ledger_end()
return answers
