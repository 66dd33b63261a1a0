#!lua flags=allow-oom
-- Writes a job in place of the version before it. KEYS: jobs. ARGV: id, version, body. A job is its version as a field, then
-- its body.
local before = call('HGET', KEYS[1], ARGV[1])
local version = before and tonumber((take(before, 1))) or 0
if version + 1 ~= tonumber(ARGV[2]) then
  return 0
end
call('HSET', KEYS[1], ARGV[1], field(ARGV[2]) .. ARGV[3])
return 1
