#!lua flags=no-writes
-- A part of a webhook's entries, newest first. KEYS: rows, order.
-- ARGV: the ends of the part of the order (newest, oldest), before which id of the newest one to begin ('' for all of them),
-- how many at most, how many to look at, how a row begins, then what it must contain: of each group, with zeros between, one.
-- Answers the place looked at last ('' at the end), then for each entry its place, id and row.

-- Elements of the order that are read at a time: each may have a hundred ids.
local AT_ONCE = 50

local newest, before = ARGV[1], tonumber(ARGV[3])
local wanted, looks = tonumber(ARGV[4]), tonumber(ARGV[5])

-- The ids to look at, and where each stands: its element of the order, and its number in it. Those of one element are in the
-- order in which they came.
local ids, elements, numbers = {}, {}, {}
while #ids < looks do
  local order = call('XREVRANGE', KEYS[2], newest, ARGV[2], 'COUNT', AT_ONCE)
  for _, element in ipairs(order) do
    local together = {}
    for id in string.gmatch(element[2][2], '[^ ]+') do
      together[#together + 1] = id
    end
    for n = math.min(#together, (before or math.huge) - 1), 1, -1 do
      if #ids == looks then
        break
      end
      ids[#ids + 1] = together[n]
      elements[#ids], numbers[#ids] = element[1], n
    end
    before, newest = nil, '(' .. element[1]
  end
  if #order < AT_ONCE then
    break
  end
end
local rows = #ids > 0 and call('HMGET', KEYS[1], unpack(ids)) or {}
local start, groups = ARGV[6], {}
for i = 7, #ARGV do
  local group = {}
  for needle in string.gmatch(ARGV[i], '[^%z]+') do
    group[#group + 1] = needle
  end
  groups[#groups + 1] = group
end
local answer = { '' }

local function place(i)
  return elements[i] .. '.' .. numbers[i]
end

local function has_one(row, group)
  for _, needle in ipairs(group) do
    if string.find(row, needle, 1, true) then
      return true
    end
  end
  return false
end

local function fits(row)
  if string.sub(row, 1, #start) ~= start then
    return false
  end
  for _, group in ipairs(groups) do
    if not has_one(row, group) then
      return false
    end
  end
  return true
end

for i = 1, #ids do
  if rows[i] and fits(rows[i]) then
    answer[#answer + 1] = { place(i), ids[i], rows[i] }
  end
  if #answer - 1 == wanted or i == looks then
    answer[1] = place(i)
    break
  end
end
return answer
