#!lua flags=allow-oom
-- Removes a webhook's oldest entries that have outlived their time or find no room, but not that of a lead that is still kept.
-- KEYS: webhooks, rows, order.
-- ARGV: webhook, how long to keep them, how many bytes, after how many to stop, the element of the order to go on behind ('' for
-- the first). Answers how many it removed, and the element that it came to ('' when it came round).
local before, most = now_ms() - ARGV[2], tonumber(ARGV[3])
local looks = tonumber(ARGV[4])
local held = tonumber(call('HGET', KEYS[1], ARGV[1] .. '|ledger_bytes') or 0)
local freed, dropped, looked = 0, 0, 0
local gone, emptied = { key = KEYS[2] }, { key = KEYS[3] }

local DELIVERED = PREFIX .. 'deadletters:delivered'
local keeps_payloads = call('EXISTS', DELIVERED) == 1

-- Whether anything of a lead is kept: it waits for delivery or for a person in a sink, as its entry tells; it is set aside
-- without one, or its payload is kept, as only the sets tell.
local function is_kept(id, row)
  local outcome, sinks, at
  outcome, at = take(row, 1)
  sinks, at = take(row, skip(row, at, 2))
  if not sinks then
    return false
  end
  local set = outcome == 'U' and 'unrouted' or outcome == 'R' and 'rejected'
  if set and call('HEXISTS', PREFIX .. 'deadletters:' .. set, id .. '|') == 1 then
    return true
  end
  local waits = {}
  for sink in string.gmatch(sinks, '[^,]+') do
    waits[sink] = true
  end
  at = skip(row, at, 1)
  while at <= #row do
    local kind, sink, reason
    kind, at = take(row, at)
    sink, at = take(row, skip(row, at, 1))
    reason, at = take(row, skip(row, at, 4))
    if not reason then
      return false
    end
    at = skip(row, at, 1)
    if kind == 'm' then
      -- The reason is where it comes from.
      waits[reason] = nil
    end
    if keeps_payloads and kind == 'd' and call('HEXISTS', DELIVERED, id .. '|' .. sink) == 1 then
      return true
    end
    if sink ~= '' then
      waits[sink] = kind ~= 'd' and kind ~= 'g' and kind ~= 'e' or nil
    end
  end
  return next(waits) ~= nil
end

local from, ended = ARGV[5] == '' and '-' or '(' .. ARGV[5], false
local last = ''
while not ended and looked < looks do
  local order = call('XRANGE', KEYS[3], from, '+', 'COUNT', 20)
  ended = #order < 20
  for _, element in ipairs(order) do
    local is_old = tonumber(string.match(element[1], '^%d+')) < before
    if looked >= looks then
      ended = false
      break
    elseif not is_old and held - freed <= most then
      ended = true
      break
    end
    local ids, stays = {}, false
    for id in string.gmatch(element[2][2], '[^ ]+') do
      ids[#ids + 1] = id
    end
    local rows = call('HMGET', KEYS[2], unpack(ids))
    for i, id in ipairs(ids) do
      if rows[i] and is_kept(id, rows[i]) then
        stays = true
      elseif rows[i] then
        freed = freed + #rows[i]
        dropped = dropped + (is_old and 0 or 1)
        gone[#gone + 1] = id
      end
    end
    if not stays then
      emptied[#emptied + 1] = element[1]
    end
    looked = looked + #ids
    last, from = element[1], '(' .. element[1]
  end
end
in_chunks('HDEL', nil, gone)
in_chunks('XDEL', nil, emptied)
if freed > 0 then
  call('HINCRBY', KEYS[1], ARGV[1] .. '|ledger_bytes', -freed)
end
if dropped > 0 then
  call('HINCRBY', KEYS[1], ARGV[1] .. '|ledger_dropped', dropped)
end
return { #gone, ended and '' or last }
