#!lua flags=no-writes
-- Leads that wait. KEYS: state, then the line of each contact. ARGV: how many leads and how many bytes of them at most, how
-- many leads of the first contact to skip, the id of the one that is meant ('' for all), '1' for leads in full, then the contacts.
-- Answers the time, which contact (from 1 on) and how many leads behind its first it came to (0, 0: the end), then for each
-- lead the contact's number, how many are before it, the state if it is the first, its times and itself (without an id only
-- its beginning).
local limit, room, skipped, id = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local longest = ARGV[5] == '1' and -1 or 500
local answer = { text(now_ms()), 0, 0 }

local function add(number, behind, times, lead)
  local state = behind == 0 and call('HGET', KEYS[1], ARGV[5 + number]) or ''
  answer[#answer + 1] = { number, behind, state, times, lead }
end

for number = 1, #KEYS - 1 do
  local line = KEYS[1 + number]
  if id ~= '' then
    local behind, times, lead = find_waiting(line, id)
    if behind then
      add(number, behind, times, lead)
    end
  else
    local behind = number == 1 and skipped or 0
    local times, lead = unpack(call('LRANGE', line, behind * 2, behind * 2 + 1))
    while lead do
      if limit == 0 or room < 0 then
        answer[2], answer[3] = number, behind
        return answer
      end
      add(number, behind, times, string.sub(lead, 1, longest))
      limit, room, behind = limit - 1, room - #lead, behind + 1
      times, lead = unpack(call('LRANGE', line, behind * 2, behind * 2 + 1))
    end
  end
end
return answer
