#!lua flags=allow-oom
-- Makes an entry say of whom it is, too. KEYS: webhooks, rows. ARGV: webhook, id, people as a field. Answers whether one of
-- them is suppressed.
local row = call('HGET', KEYS[2], ARGV[2])
if row then
  local at = skip(row, 1, 4)
  local known, behind = take(row, at)
  if known then
    local people, seen = {}, {}
    for _, hashes in ipairs({ known, take(people_of_entry(ARGV[3]), 1) or '' }) do
      for hash in string.gmatch(hashes, '[^,]+') do
        if not seen[hash] then
          seen[hash] = true
          people[#people + 1] = hash
        end
      end
    end
    local now = string.sub(row, 1, at - 1) .. field(table.concat(people, ',')) .. string.sub(row, behind)
    if now ~= row then
      call('HSET', KEYS[2], ARGV[2], now)
      ledger_grow(ARGV[1], #now - #row)
      ledger_end()
    end
  end
end
return is_suppressed(ARGV[1], ARGV[3]) and 1 or 0
