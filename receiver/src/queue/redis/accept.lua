#!lua
-- Deduplicates, stores and enqueues a batch of leads.
-- KEYS: counts, webhooks, due of each sink, then for each lead its dedupe key and its line in each sink.
-- ARGV: channel, number of sinks, their names, number of webhooks, their names, then for each lead its id,
-- window, webhook's number, contact, entry without times, number of sinks, their numbers.
local now = now_ms()
local times = field(text(now)) .. field(text(now))

local sinks = tonumber(ARGV[2])
local webhooks = tonumber(ARGV[3 + sinks])
local due, queued = {}, {}
for sink = 1, sinks do
  due[sink] = { key = KEYS[2 + sink] }
  queued[sink] = {}
end
local accepted, duplicates = {}, {}

local answers = {}
local key, arg = 3 + sinks, 4 + sinks + webhooks
while ARGV[arg] do
  local id, webhook, contact = ARGV[arg], tonumber(ARGV[arg + 2]), ARGV[arg + 3]
  local targets = tonumber(ARGV[arg + 5])
  local holder = call('SET', KEYS[key], id, 'NX', 'GET', 'PX', ARGV[arg + 1])
  if not holder then
    local entry = times .. ARGV[arg + 4]
    for target = 1, targets do
      local sink = tonumber(ARGV[arg + 5 + target])
      call('RPUSH', KEYS[key + target], entry)
      local contacts = due[sink]
      contacts[#contacts + 1] = now
      contacts[#contacts + 1] = contact
      queued[sink][webhook] = (queued[sink][webhook] or 0) + 1
    end
    accepted[webhook] = (accepted[webhook] or 0) + 1
    answers[#answers + 1] = 1
  elseif holder == id then
    -- A repeated call: the lead landed the first time.
    answers[#answers + 1] = 1
  else
    duplicates[webhook] = (duplicates[webhook] or 0) + 1
    answers[#answers + 1] = holder
  end
  key = key + 1 + targets
  arg = arg + 6 + targets
end

for sink = 1, sinks do
  if #due[sink] > 0 then
    local name = ARGV[2 + sink]
    in_chunks('ZADD', 'NX', due[sink])
    for webhook, leads in pairs(queued[sink]) do
      call('HINCRBY', KEYS[1], name .. '|' .. ARGV[3 + sinks + webhook] .. '|queued', leads)
    end
    call('PUBLISH', ARGV[1], name)
  end
end
for webhook, leads in pairs(accepted) do
  local name = ARGV[3 + sinks + webhook]
  call('HINCRBY', KEYS[2], name .. '|accepted', leads)
  call('HSET', KEYS[2], name .. '|last', text(now))
end
for webhook, leads in pairs(duplicates) do
  call('HINCRBY', KEYS[2], ARGV[3 + sinks + webhook] .. '|duplicates', leads)
end
return answers
