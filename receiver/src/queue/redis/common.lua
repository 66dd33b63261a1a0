-- What the scripts share; put behind each one's first line.
-- Binary-safe fields: "<length>:<bytes>". A waiting lead is two elements of its line, because to join them would
-- cost more than the rest of an accept (Lua hashes each byte of a new string): its times (queued_at, accepted_at,
-- and when the newest delivered lead of its contact was accepted, 0 if that is not of interest), and the lead (id,
-- webhook, then the body). A dead letter is sink, contact, dead_lettered_at, expires_at, attempts, reason, message, answer,
-- then the two as they waited.
local call = redis.call

local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whole numbers in full: Lua would write large ones as 1.7e+12.
local function text(number)
  return string.format('%.0f', number)
end

local function field(value)
  return #value .. ':' .. value
end

-- The field at a position, and where the next one begins; nil when it is malformed.
local function take(packed, at)
  local colon = string.find(packed, ':', at, true)
  local length = colon and tonumber(string.sub(packed, at, colon - 1))
  if not length then
    return nil, at
  end
  return string.sub(packed, colon + 1, colon + length), colon + length + 1
end

local function skip(packed, at, fields)
  for _ = 1, fields do
    at = select(2, take(packed, at))
  end
  return at
end

local function webhook_of(lead)
  return (take(lead, skip(lead, 1, 1))) or '?'
end

-- The state of a contact's first lead: token, attempts, since when it is in doubt (0: it is not), claims without an outcome, and behind these
-- why it was not delivered (reason and message as fields).
local function read_state(state)
  return string.match(state, '^(%d+) (%d+) (%d+) (%d+) ?(.*)$')
end

local function put_state(token, attempts, in_doubt, lost, why)
  return token .. ' ' .. attempts .. ' ' .. in_doubt .. ' ' .. lost .. ' ' .. why
end

-- The three times of a lead, as numbers.
local function read_times(times)
  local queued_at, at = take(times, 1)
  local accepted_at, newest
  accepted_at, at = take(times, at)
  newest = take(times, at)
  return tonumber(queued_at or 0), tonumber(accepted_at or 0), tonumber(newest or 0)
end

local function put_times(queued_at, accepted_at, newest)
  return field(text(queued_at)) .. field(text(accepted_at)) .. field(text(newest))
end

-- The first lead of a line is a new one: tells since when it is due, or nil if there is none, and notes on it when the
-- newest of the contact's delivered leads was accepted.
local function new_head(line, newest)
  local times = call('LINDEX', line, 0)
  if not times then
    return nil
  end
  local queued_at, accepted_at, known = read_times(times)
  if newest > known then
    call('LSET', line, 0, put_times(queued_at, accepted_at, newest))
  end
  return text(queued_at)
end

-- What a sink has delivered of a contact of late: when the newest of it was accepted (0: nothing), and the record that it went
-- to (nil: not known).
local function read_record(key)
  local newest, record = string.match(call('GET', key) or '0 ', '^(%d+) (.*)$')
  return tonumber(newest or 0), record ~= '' and record or nil
end

local function put_record(key, newest, record, keep)
  call('SET', key, text(newest) .. ' ' .. record, 'PX', keep)
end

-- Calls a variadic command with as many arguments as fit on Lua's stack at a time (an even number).
local function in_chunks(command, option, arguments)
  for from = 1, #arguments, 2000 do
    local to = math.min(from + 1999, #arguments)
    if option then
      call(command, arguments.key, option, unpack(arguments, from, to))
    else
      call(command, arguments.key, unpack(arguments, from, to))
    end
  end
end

-- A set of dead letters is four keys from KEYS[at] on (times are texts): values by id|sink, members id|sink|webhook by time, the same
-- by expiry, and contact|id|sink to find a person's.
local function dead_letter(at, id_sink, webhook, contact, value, now, expires_at)
  local member = id_sink .. '|' .. webhook
  call('HSET', KEYS[at], id_sink, value)
  call('ZADD', KEYS[at + 1], now, member)
  call('ZADD', KEYS[at + 2], expires_at, member)
  if contact ~= '' then
    call('ZADD', KEYS[at + 3], 0, contact .. '|' .. id_sink)
  end
end

-- Takes a lead out of a set of dead letters: its contact, the lead and its times as it waited; nil when it is not there.
local function take_dead_letter(at, id_sink)
  local value = call('HGET', KEYS[at], id_sink)
  if not value then
    return nil
  end
  local contact = take(value, skip(value, 1, 1)) or ''
  local times = skip(value, 1, 8)
  local behind = skip(value, times, 3)
  local lead = string.sub(value, behind)
  local member = id_sink .. '|' .. webhook_of(lead)
  call('HDEL', KEYS[at], id_sink)
  call('ZREM', KEYS[at + 1], member)
  call('ZREM', KEYS[at + 2], member)
  call('ZREM', KEYS[at + 3], contact .. '|' .. id_sink)
  return contact, lead, string.sub(value, times, behind - 1)
end

-- The same of one that stays.
local function look_at_dead_letter(at, id_sink)
  local value = call('HGET', KEYS[at], id_sink)
  if not value then
    return nil
  end
  local times = skip(value, 1, 8)
  local behind = skip(value, times, 3)
  return string.sub(value, behind), string.sub(value, times, behind - 1)
end

-- Where a lead stands in a line: how many are before it, its times and itself; nil when it is not there.
local function find_waiting(line, id)
  local start, at = field(id), 0
  while true do
    local part = call('LRANGE', line, at * 2, at * 2 + 19)
    for i = 1, #part, 2 do
      if string.sub(part[i + 1], 1, #start) == start then
        return at + (i - 1) / 2, part[i], part[i + 1]
      end
    end
    if #part < 20 then
      return nil
    end
    at = at + 10
  end
end

-- Takes a waiting lead out of its line: the lead and its times; nil when it is not there, or is being delivered. Keys
-- from KEYS[at] on: due, state, touched, line.
local function take_waiting(at, contact, id, now)
  local due, state, touched, line = KEYS[at], KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  local behind, times, lead = find_waiting(line, id)
  if not behind then
    return nil
  end
  if behind > 0 then
    call('LSET', line, behind * 2, 'gone')
    call('LSET', line, behind * 2 + 1, 'gone')
    call('LREM', line, 2, 'gone')
    return lead, times
  end
  local held = call('HGET', state, contact)
  local score = call('ZSCORE', due, contact)
  if held and read_state(held) ~= '0' and score and tonumber(score) > now then
    return nil
  end
  call('LPOP', line, 2)
  call('HDEL', state, contact)
  call('ZREM', touched, contact)
  local _, _, newest = read_times(times)
  local since = new_head(line, newest)
  if since then
    call('ZADD', due, since, contact)
  else
    call('ZREM', due, contact)
  end
  return lead, times
end

-- The ledger: for each webhook a hash of rows by id, and a stream of the ids in the order in which they came, those of one
-- script together. A row is outcome, time, reason, sinks and people as fields, and behind these the fields of each event.
-- What a script enters is written at its end, with one call for many rows.
local PREFIX = string.match(KEYS[1], '^{.-}:')
-- Whose leads are refused: NAMESPACE/HASH; no namespace: in all.
local SUPPRESSED = PREFIX .. 'suppressed'
local anybody_suppressed
-- Whether one of the people (a field of hashes with commas, some of them marked) is among them, for a webhook. Those with ^ are
-- hashed with other keys than new entries, which do not get them.
local function is_suppressed(webhook, people)
  if anybody_suppressed == nil then
    anybody_suppressed = call('EXISTS', SUPPRESSED) == 1
  end
  if not anybody_suppressed then
    return false
  end
  local namespace = string.match(webhook, '^[^/]*')
  for hash in string.gmatch(take(people, 1) or '', '[^,~^]+') do
    if call('SISMEMBER', SUPPRESSED, namespace .. '/' .. hash) == 1 or call('SISMEMBER', SUPPRESSED, '/' .. hash) == 1 then
      return true
    end
  end
  return false
end

local function people_of_entry(people)
  if not string.find(people, '^', 1, true) then
    return people
  end
  return field((string.gsub(take(people, 1), ',%^[^,]*', '')))
end

local LONGEST_WITH_RETRIES, IDS_TOGETHER = 3000, 100
local ledger_opened, ledger_events, ledger_grown = {}, {}, {}

local function ledger_grow(webhook, bytes)
  ledger_grown[webhook] = (ledger_grown[webhook] or 0) + bytes
end

-- Opens an entry that is known to be new.
local function ledger_new(webhook, id, row)
  local opened = ledger_opened[webhook]
  if not opened then
    opened = { ids = {}, rows = { key = PREFIX .. 'ledger:' .. webhook } }
    ledger_opened[webhook] = opened
  end
  local ids, rows = opened.ids, opened.rows
  ids[#ids + 1] = id
  rows[#rows + 1] = id
  rows[#rows + 1] = row
  ledger_grow(webhook, #row)
end

-- The same of one that may be there already: then nothing changes. Tells whether it was new.
local function ledger_open(webhook, id, row)
  local is_new = call('HEXISTS', PREFIX .. 'ledger:' .. webhook, id) == 0
  if is_new then
    ledger_new(webhook, id, row)
  end
  return is_new
end

-- Whether a lead waits in a sink, is set aside there, or was delivered to it, as its entry tells.
local function is_entered_for(row, sink)
  local sinks, at = take(row, skip(row, 1, 3))
  local has = string.find(',' .. (sinks or '') .. ',', ',' .. sink .. ',', 1, true) ~= nil
  at = skip(row, at, 1)
  while at <= #row do
    local kind, of, reason
    kind, at = take(row, at)
    of, at = take(row, skip(row, at, 1))
    reason, at = take(row, skip(row, at, 4))
    if not reason then
      break
    end
    at = skip(row, at, 1)
    if of == sink and kind == 'd' then
      return true
    elseif of == sink then
      has = kind ~= 'g' and kind ~= 'e'
    elseif kind == 'm' and reason == sink then
      -- Of a move, the reason is where it comes from.
      has = false
    end
  end
  return has
end

-- Adds an event to an entry, if there is one. One that may go is left out of a row that is long already.
local function ledger_add(webhook, id, kind, now, rest, may_go)
  local events = ledger_events[webhook]
  if not events then
    events = {}
    ledger_events[webhook] = events
  end
  events[#events + 1] = { id, kind .. field(text(now)) .. rest, may_go }
end

-- What is behind the time of an event that is no attempt.
local function ledger_act(sink, reason, by)
  return field(sink) .. '0:0:0:0:' .. field(reason) .. field(by)
end

local function ledger_write_events(webhook, events)
  local rows = PREFIX .. 'ledger:' .. webhook
  for from = 1, #events, 1000 do
    local ids, changed = {}, { key = rows }
    for i = from, math.min(from + 999, #events) do
      ids[#ids + 1] = events[i][1]
    end
    local found, now = call('HMGET', rows, unpack(ids)), {}
    for i, id in ipairs(ids) do
      local _, event, may_go = unpack(events[from + i - 1])
      -- One entry may get several.
      local row = now[id] or found[i]
      if row and not (may_go and #row > LONGEST_WITH_RETRIES) then
        now[id] = row .. event
        ledger_grow(webhook, #event)
      end
    end
    for id, row in pairs(now) do
      changed[#changed + 1] = id
      changed[#changed + 1] = row
    end
    in_chunks('HSET', nil, changed)
  end
end

-- To be called at the end: writes all.
local function ledger_end()
  for webhook, opened in pairs(ledger_opened) do
    in_chunks('HSET', nil, opened.rows)
    for from = 1, #opened.ids, IDS_TOGETHER do
      local to = math.min(from + IDS_TOGETHER - 1, #opened.ids)
      call('XADD', opened.rows.key .. ':order', '*', 'i', table.concat(opened.ids, ' ', from, to))
    end
  end
  for webhook, events in pairs(ledger_events) do
    ledger_write_events(webhook, events)
  end
  for webhook, bytes in pairs(ledger_grown) do
    call('HINCRBY', PREFIX .. 'webhooks', webhook .. '|ledger_bytes', bytes)
  end
end

-- What stands behind the time in the entry of a request that left nothing else, since its person is suppressed.
local ENTRY_OF_SUPPRESSED = field('Suppressed') .. '0:0:'

-- Counts a dead letter as discarded, and enters it: for its sink, or for its webhook if it is unrouted. Rejected requests are only
-- ever counted as such.
local function count_discarded(counts, webhooks, kind, id_sink, lead, what, reason, by)
  local sink, webhook = string.match(id_sink, '|(.*)$'), webhook_of(lead)
  local id = string.match(id_sink, '^[^|]*')
  -- What was delivered stays delivered, whatever becomes of its payload.
  if kind ~= 'delivered' or what == 'e' then
    ledger_add(webhook, id, '1:' .. what, now_ms(), ledger_act(sink, reason, by))
  end
  if kind == 'delivered' then
    return
  end
  local hash, of = counts, sink .. '|' .. webhook
  if kind == 'unrouted' then
    hash, of = webhooks, webhook
  end
  if kind ~= 'rejected' then
    call('HINCRBY', hash, of .. '|' .. kind, -1)
    call('HINCRBY', hash, of .. '|discarded', 1)
  else
    call('HINCRBY', webhooks, webhook .. '|rejected_bytes', -#lead)
    call('ZREM', webhooks .. ':rejected:' .. webhook, id)
  end
end

