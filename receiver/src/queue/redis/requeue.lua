#!lua flags=allow-oom
-- Takes a lead out of a set and puts it into lines. Answers 1, or 0: it is not there, 2: another sink has it, 3: another sink has
-- delivered a newer one of its contact.
-- KEYS: counts, webhooks, the set's four (of the pending set: due, state, touched and line of the sink), then due, state,
-- line and remembered record of each target. ARGV: channel, id, contact, the set's name, the lead's sink ('' for none), the
-- record to remember from now on and for how long (0: as before), '1' to forget that it was overtaken, '1' to leave it
-- where it is, too, the lead that it has become ('' for none) and whose that is, who asked for it, then for each target its
-- name and what that is in the ledger.
local channel, id, contact, set, from = unpack(ARGV, 1, 5)
local copy, instead, by, TARGETS = ARGV[9] == '1', ARGV[10], ARGV[12], 13
local now = now_ms()
local lead, times, _
-- Looked at first: what is refused must not have been touched.
if set == 'pending' then
  _, times, lead = find_waiting(KEYS[6], id)
else
  lead, times = look_at_dead_letter(3, id .. '|' .. from)
end
if not lead then
  return 0
end
local webhook = webhook_of(lead)
local _, accepted_at, newest = read_times(times)
local row = call('HGET', PREFIX .. 'ledger:' .. webhook, id)

local function has(sink, line)
  if row and is_entered_for(row, sink) or find_waiting(line, id) then
    return true
  end
  for _, kind in ipairs({ 'held', 'dead', 'delivered' }) do
    if call('HEXISTS', PREFIX .. 'deadletters:' .. kind, id .. '|' .. sink) == 1 then
      return true
    end
  end
  return false
end

-- A sink gets each lead once, and not after a newer one of its contact.
for target = TARGETS, #ARGV, 2 do
  local sink, at = ARGV[target], 7 + (target - TARGETS) * 2
  if copy or sink ~= from then
    if has(sink, KEYS[at + 2]) then
      return 2
    elseif ARGV[8] ~= '1' and read_record(KEYS[at + 3]) > accepted_at then
      return 3
    end
  end
end
if set == 'pending' then
  if not take_waiting(3, contact, id, now) then
    return 0
  end
elseif not copy then
  take_dead_letter(3, id .. '|' .. from)
end
-- What is copied, or was delivered, stays where it is counted.
local leaves = not copy and set ~= 'delivered'
if leaves and from == '' then
  call('HINCRBY', KEYS[2], webhook .. '|unrouted', -1)
elseif leaves then
  call('HINCRBY', KEYS[1], from .. '|' .. webhook .. '|queued', -1)
  if set ~= 'pending' then
    call('HINCRBY', KEYS[1], from .. '|' .. webhook .. '|' .. set, -1)
  end
end

-- Before the first lead that was accepted later and has not been tried; behind all if there is none.
local function join_by_age(line, tried, times, accepted_at)
  local place, length = tried and 1 or 0, call('LLEN', line) / 2
  while place < length and select(2, read_times(call('LINDEX', line, place * 2))) <= accepted_at do
    place = place + 1
  end
  if place >= length then
    call('RPUSH', line, times, lead)
    return
  end
  local before = {}
  for i = 1, place do
    before[i] = call('LPOP', line, 2)
  end
  call('LPUSH', line, lead, times)
  for i = place, 1, -1 do
    call('LPUSH', line, before[i][2], before[i][1])
  end
end

if instead ~= '' then
  lead, contact = instead, ARGV[11]
end
for target = TARGETS, #ARGV, 2 do
  local sink, at = ARGV[target], 7 + (target - TARGETS) * 2
  -- What the sink that it leaves has delivered of this contact says nothing.
  local known = ARGV[8] ~= '1' and (from == '' or from == sink)
  local tried = call('HEXISTS', KEYS[at + 1], contact) == 1
  join_by_age(KEYS[at + 2], tried, put_times(now, accepted_at, known and newest or 0), accepted_at)
  if ARGV[7] ~= '0' then
    put_record(KEYS[at + 3], (read_record(KEYS[at + 3])), ARGV[6], ARGV[7])
  end
  call('ZADD', KEYS[at], 'NX', text(now), contact)
  call('HINCRBY', KEYS[1], sink .. '|' .. webhook .. '|queued', 1)
  call('PUBLISH', channel, sink)
  -- Of a move, the reason is where it comes from.
  local letter = ARGV[target + 1]
  ledger_add(webhook, id, '1:' .. letter, now, ledger_act(sink, letter == 'm' and from or '', by))
end
ledger_end()
if set == 'pending' then
  call('PUBLISH', channel, from)
end
return 1
