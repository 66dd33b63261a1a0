#!lua
-- Deduplicates, stores and enqueues a batch of leads.
-- KEYS: counts, webhooks, the unrouted set's four, due of each sink, then for each lead its dedupe key and its line in
-- each sink.
-- ARGV: channel, the reason of unrouted leads as fields, number of sinks, their names, number of kinds; for each kind
-- of lead its webhook, window, how long to keep it unrouted, what stands behind the time in its entry of the ledger, when it
-- was submitted and when the newest delivered lead of its person was accepted ('' and 0: it comes now), number
-- of sinks and their numbers; then for each lead its kind, what holds its dedupe key (16 bytes of its content, then its id),
-- contact, people and what it waits as.
-- Each argument costs a string here, so what leads have in common is told once.
local KEYS, ARGV = KEYS, ARGV
local now = text(now_ms())
local times = field(now) .. field(now) .. field('0')
local UNROUTED, CONTENT = 3, 16

local due = {}
for sink = 1, tonumber(ARGV[3]) do
  due[sink] = { key = KEYS[6 + sink] }
end
local key, arg = 7 + #due, 5 + #due
local kinds = {}
for number = 1, tonumber(ARGV[4 + #due]) do
  local sinks = {}
  for i = 1, tonumber(ARGV[arg + 6]) do
    sinks[i] = tonumber(ARGV[arg + 6 + i])
  end
  -- By the text that leads name it with: cheaper than to make a number of each.
  kinds[tostring(number)] = {
    webhook = ARGV[arg], window = ARGV[arg + 1], keep = ARGV[arg + 2], sinks = sinks,
    times = ARGV[arg + 4] == '' and times or field(now) .. field(ARGV[arg + 4]) .. field(ARGV[arg + 5]),
    entry = (#sinks > 0 and '1:A' or '1:U') .. field(ARGV[arg + 4] == '' and now or ARGV[arg + 4]) .. ARGV[arg + 3],
    accepted = 0, duplicates = 0, conflicts = 0, suppressed = 0,
  }
  arg = arg + 7 + #sinks
end

-- The two digests of a content.
local function posted(holder)
  return string.sub(holder, 1, CONTENT / 2)
end
local function mapped(holder)
  return string.sub(holder, CONTENT / 2 + 1, CONTENT)
end

-- Whose submission a lead is whose key is held: the holder that says the same, or nil if none does. Then the newest
-- lead has the key, since it is remembered longest; the one before keeps a key of its own, in the same hash slot.
local function whose(dedupe, own, first, window)
  if posted(first) == posted(own) or mapped(first) == mapped(own) then
    return first
  end
  local known = call('GET', dedupe .. ':' .. mapped(own))
  if not known then
    call('SET', dedupe .. ':' .. mapped(first), first, 'PX', math.max(1, call('PTTL', dedupe)))
    call('SET', dedupe, own, 'PX', window)
  end
  return known
end

local answers, answered = {}, 0
for lead = arg, #ARGV, 5 do
  local kind, own = kinds[ARGV[lead]], ARGV[lead + 1]
  local refused = is_suppressed(kind.webhook, ARGV[lead + 3])
  local holder = refused and own or call('SET', KEYS[key], own, 'NX', 'GET', 'PX', kind.window)
  local answer = 1
  if refused then
    answer = 3
    -- A repeated call counts once.
    if ledger_open(kind.webhook, string.sub(own, CONTENT + 1), '1:I' .. field(now) .. ENTRY_OF_SUPPRESSED) then
      kind.suppressed = kind.suppressed + 1
    end
  end
  if holder and holder ~= own then
    holder = whose(KEYS[key], own, holder, kind.window)
    if not holder then
      answer = 2
      kind.conflicts = kind.conflicts + 1
    end
  end
  if not holder then
    local contact = ARGV[lead + 2]
    for target, sink in ipairs(kind.sinks) do
      call('RPUSH', KEYS[key + target], kind.times, ARGV[lead + 4])
      local contacts = due[sink]
      local last = #contacts
      contacts[last + 1], contacts[last + 2] = now, contact
    end
    if #kind.sinks == 0 then
      local expires_at = text(now + kind.keep)
      local value = field('') .. field(contact) .. field(now) .. field(expires_at) .. field('0') .. ARGV[2]
        .. kind.times .. ARGV[lead + 4]
      dead_letter(UNROUTED, string.sub(own, CONTENT + 1) .. '|', kind.webhook, contact, value, now, expires_at)
      call('HINCRBY', KEYS[2], kind.webhook .. '|unrouted', 1)
    end
    kind.accepted = kind.accepted + 1
    ledger_new(kind.webhook, string.sub(own, CONTENT + 1), kind.entry .. people_of_entry(ARGV[lead + 3]))
  elseif holder ~= own then
    kind.duplicates = kind.duplicates + 1
    answer = string.sub(holder, CONTENT + 1)
    ledger_open(kind.webhook, string.sub(own, CONTENT + 1), '1:D' .. field(now) .. field(answer) .. '0:'
      .. people_of_entry(ARGV[lead + 3]))
  end
  -- Else it is refused, or it is a repeated call: the lead landed the first time.
  answered = answered + 1
  answers[answered] = answer
  key = key + 1 + #kind.sinks
end

for _, kind in pairs(kinds) do
  if kind.accepted > 0 then
    call('HINCRBY', KEYS[2], kind.webhook .. '|accepted', kind.accepted)
    call('HSET', KEYS[2], kind.webhook .. '|last', now)
    for _, sink in ipairs(kind.sinks) do
      call('HINCRBY', KEYS[1], ARGV[3 + sink] .. '|' .. kind.webhook .. '|queued', kind.accepted)
    end
  end
  if kind.duplicates > 0 then
    call('HINCRBY', KEYS[2], kind.webhook .. '|duplicates', kind.duplicates)
  end
  if kind.suppressed > 0 then
    call('HINCRBY', KEYS[2], kind.webhook .. '|suppressed', kind.suppressed)
  end
  if kind.conflicts > 0 then
    call('HINCRBY', KEYS[2], kind.webhook .. '|conflicts', kind.conflicts)
  end
end
for sink, contacts in ipairs(due) do
  if #contacts > 0 then
    in_chunks('ZADD', 'NX', contacts)
    call('PUBLISH', ARGV[1], ARGV[3 + sink])
  end
end
ledger_end()
return answers
