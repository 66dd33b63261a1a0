-- What the scripts share; put behind each one's first line.
-- Binary-safe fields: "<length>:<bytes>". A waiting lead is two elements of its line, because to join them would
-- cost more than the rest of an accept (Lua hashes each byte of a new string): its times (queued_at, accepted_at,
-- and when the newest delivered lead of its contact was accepted, 0 if that is not of interest), and the lead (id,
-- webhook, then the body). A parked one is sink, contact, parked_at, expires_at, attempts, reason, message, answer,
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

-- The state of a contact's first lead: token, attempts, whether an outcome is unknown, claims without an outcome, and
-- behind these why it was not delivered (reason and message as fields).
local function read_state(state)
  return string.match(state, '^(%d+) (%d+) (%d+) (%d+) ?(.*)$')
end

local function put_state(token, attempts, unknown, lost, why)
  return token .. ' ' .. attempts .. ' ' .. unknown .. ' ' .. lost .. ' ' .. why
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

-- A parked set is four keys from KEYS[at] on (times are texts): values by id|sink, members id|sink|webhook by time, the same
-- by expiry, and contact|id|sink to find a person's.
local function park(at, id_sink, webhook, contact, value, now, expires_at)
  local member = id_sink .. '|' .. webhook
  call('HSET', KEYS[at], id_sink, value)
  call('ZADD', KEYS[at + 1], now, member)
  call('ZADD', KEYS[at + 2], expires_at, member)
  if contact ~= '' then
    call('ZADD', KEYS[at + 3], 0, contact .. '|' .. id_sink)
  end
end

-- Takes a lead out of a parked set: its contact, the lead and its times as it waited; nil when it is not there.
local function unpark(at, id_sink)
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

-- Counts a parked lead as discarded: for its sink, or for its webhook if it is unrouted. Rejected requests are only
-- ever counted as such.
local function count_discarded(counts, webhooks, kind, id_sink, lead)
  local sink, webhook = string.match(id_sink, '|(.*)$'), webhook_of(lead)
  local hash, of = counts, sink .. '|' .. webhook
  if kind == 'unrouted' then
    hash, of = webhooks, webhook
  end
  if kind ~= 'rejected' then
    call('HINCRBY', hash, of .. '|' .. kind, -1)
    call('HINCRBY', hash, of .. '|discarded', 1)
  end
end

