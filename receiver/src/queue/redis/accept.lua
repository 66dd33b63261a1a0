#!lua
-- Deduplicates, stores and enqueues a batch of leads.
-- KEYS: counts, webhooks, due of each sink, then for each lead its dedupe key and its line in each sink.
-- ARGV: channel, number of sinks, their names, number of kinds; for each kind of lead its webhook, window,
-- number of sinks and their numbers; then for each lead its kind, id, contact and what it waits as.
-- Each argument costs a string here, so what leads have in common is told once.
local KEYS, ARGV = KEYS, ARGV
local now = text(now_ms())
local times = field(now) .. field(now)

local due = {}
for sink = 1, tonumber(ARGV[2]) do
  due[sink] = { key = KEYS[2 + sink] }
end
local key, arg = 3 + #due, 4 + #due
local kinds = {}
for number = 1, tonumber(ARGV[3 + #due]) do
  local sinks = {}
  for i = 1, tonumber(ARGV[arg + 2]) do
    sinks[i] = tonumber(ARGV[arg + 2 + i])
  end
  -- By the text that leads name it with: cheaper than to make a number of each.
  kinds[tostring(number)] = {
    webhook = ARGV[arg], window = ARGV[arg + 1], sinks = sinks, accepted = 0, duplicates = 0,
  }
  arg = arg + 3 + #sinks
end

local answers, answered = {}, 0
for lead = arg, #ARGV, 4 do
  local kind, id = kinds[ARGV[lead]], ARGV[lead + 1]
  local holder = call('SET', KEYS[key], id, 'NX', 'GET', 'PX', kind.window)
  answered = answered + 1
  if not holder then
    local contact = ARGV[lead + 2]
    for target, sink in ipairs(kind.sinks) do
      call('RPUSH', KEYS[key + target], times, ARGV[lead + 3])
      local contacts = due[sink]
      local last = #contacts
      contacts[last + 1], contacts[last + 2] = now, contact
    end
    kind.accepted = kind.accepted + 1
    answers[answered] = 1
  elseif holder == id then
    -- A repeated call: the lead landed the first time.
    answers[answered] = 1
  else
    kind.duplicates = kind.duplicates + 1
    answers[answered] = holder
  end
  key = key + 1 + #kind.sinks
end

for _, kind in pairs(kinds) do
  if kind.accepted > 0 then
    call('HINCRBY', KEYS[2], kind.webhook .. '|accepted', kind.accepted)
    call('HSET', KEYS[2], kind.webhook .. '|last', now)
    for _, sink in ipairs(kind.sinks) do
      call('HINCRBY', KEYS[1], ARGV[2 + sink] .. '|' .. kind.webhook .. '|queued', kind.accepted)
    end
  end
  if kind.duplicates > 0 then
    call('HINCRBY', KEYS[2], kind.webhook .. '|duplicates', kind.duplicates)
  end
end
for sink, contacts in ipairs(due) do
  if #contacts > 0 then
    in_chunks('ZADD', 'NX', contacts)
    call('PUBLISH', ARGV[1], ARGV[2 + sink])
  end
end
return answers
