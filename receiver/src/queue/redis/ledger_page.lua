#!lua flags=no-writes
-- A part of a webhook's entries, newest first. KEYS: rows, order.
-- ARGV: the ends of the part of the order (newest, oldest), before which id of the newest one to begin ('' for all of them),
-- how many at most, how many to look at, how a row begins, then what it must contain.
-- Answers the place looked at last ('' at the end), then for each entry its place, id and row.
local newest, before = ARGV[1], tonumber(ARGV[3])
local wanted, looks = tonumber(ARGV[4]), tonumber(ARGV[5])

-- The places and ids to look at; those of one element of the order are in the order in which they came.
local places, ids = {}, {}
while #ids < looks do
  local order = call('XREVRANGE', KEYS[2], newest, ARGV[2], 'COUNT', 20)
  for _, element in ipairs(order) do
    local together = {}
    for id in string.gmatch(element[2][2], '[^ ]+') do
      together[#together + 1] = id
    end
    for n = math.min(#together, (before or math.huge) - 1), 1, -1 do
      if #ids < looks then
        places[#places + 1], ids[#ids + 1] = element[1] .. '.' .. n, together[n]
      end
    end
    before, newest = nil, '(' .. element[1]
  end
  if #order < 20 then
    break
  end
end
local rows = #ids > 0 and call('HMGET', KEYS[1], unpack(ids)) or {}
local answer = { '' }

local function fits(row)
  if string.sub(row, 1, #ARGV[6]) ~= ARGV[6] then
    return false
  end
  for i = 7, #ARGV do
    if not string.find(row, ARGV[i], 1, true) then
      return false
    end
  end
  return true
end

for i = 1, #ids do
  if rows[i] and fits(rows[i]) then
    answer[#answer + 1] = { places[i], ids[i], rows[i] }
  end
  if #answer - 1 == wanted or i == looks then
    answer[1] = places[i]
    break
  end
end
return answer
