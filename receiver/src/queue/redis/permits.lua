#!lua flags=allow-oom
-- Grants requests under the pause, the circuit breaker and the rolling limit. KEYS: throttle.
-- ARGV: how many, the limit's requests (-1: no limit) and window, the breaker's cooldown.
-- Answers how many, milliseconds to wait, why nothing was ('' for the limit, 'open' for the circuit, else
-- 'paused:' and the reason), failures in a row.
local now = now_ms()
local wanted, requests, per = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local throttle = call('HMGET', KEYS[1], 'paused_until', 'reason', 'failures', 'open_until', 'probe_until', 'grants')
local failures = tonumber(throttle[3] or 0)

local paused_until = tonumber(throttle[1] or 0)
if paused_until > now then
  return { 0, paused_until - now, 'paused:' .. (throttle[2] or ''), failures }
end
local half_open = throttle[4] and throttle[4] ~= '0'
if half_open then
  local until_ms = math.max(tonumber(throttle[4]), tonumber(throttle[5] or 0))
  if until_ms > now then
    return { 0, until_ms - now, 'open', failures }
  end
  wanted = math.min(wanted, 1)
end

local granted, wait = wanted, 0
if requests >= 0 then
  -- first:last:requests of each group of grants. Strictly older ones go: both ends are rounded to
  -- milliseconds, and the window must not be cut short by one.
  local groups, used = {}, 0
  for first, last, number in string.gmatch(throttle[6] or '', '(%d+):(%d+):(%d+)') do
    if tonumber(last) >= now - per then
      groups[#groups + 1] = { tonumber(first), tonumber(last), tonumber(number) }
      used = used + number
    end
  end
  granted = math.min(wanted, math.max(0, requests - used))
  if granted < wanted then
    wait = (groups[1] and groups[1][2] or now) + per + 1 - now
  end
  if granted > 0 then
    -- Grants within a fiftieth of the window are kept as one, timed at its last: few, and never too late.
    local latest = groups[#groups]
    if latest and latest[1] >= now - math.floor(per / 50) then
      latest[2], latest[3] = math.max(latest[2], now), latest[3] + granted
    else
      groups[#groups + 1] = { now, now, granted }
    end
    for i, group in ipairs(groups) do
      groups[i] = text(group[1]) .. ':' .. text(group[2]) .. ':' .. text(group[3])
    end
    call('HSET', KEYS[1], 'grants', table.concat(groups, ' '))
  end
end
if half_open and granted > 0 then
  -- If its holder dies without a report, the next probe may go after this.
  local cooldown = math.max(1, tonumber(ARGV[4]))
  call('HSET', KEYS[1], 'probe_until', text(now + cooldown))
  wait = cooldown
end
return { granted, wait, '', failures }
