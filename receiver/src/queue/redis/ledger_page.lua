#!lua flags=no-writes
-- A part of a webhook's entries, newest first. KEYS: rows, order.
-- ARGV: the ends of the part of the order (newest, oldest), how many at most, how many to look at, how a row begins, then
-- what it must contain.
-- Answers the place looked at last ('' at the end), then for each entry its place, id and row.
local wanted, looks = tonumber(ARGV[3]), tonumber(ARGV[4])
local order = call('XREVRANGE', KEYS[2], ARGV[1], ARGV[2], 'COUNT', looks)
local ids = {}
for i, entry in ipairs(order) do
  ids[i] = entry[2][2]
end
local rows = #ids > 0 and call('HMGET', KEYS[1], unpack(ids)) or {}
local answer = { '' }

local function fits(row)
  if string.sub(row, 1, #ARGV[5]) ~= ARGV[5] then
    return false
  end
  for i = 6, #ARGV do
    if not string.find(row, ARGV[i], 1, true) then
      return false
    end
  end
  return true
end

for i = 1, #ids do
  if rows[i] and fits(rows[i]) then
    answer[#answer + 1] = { order[i][1], ids[i], rows[i] }
  end
  if #answer - 1 == wanted or i == looks then
    answer[1] = order[i][1]
    break
  end
end
return answer
