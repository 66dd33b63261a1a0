#!lua
-- Enters requests that leave nothing else. KEYS: webhooks. ARGV: for each its webhook, id, outcome and what stands behind the
-- time.
local now = field(text(now_ms()))
for arg = 1, #ARGV, 4 do
  ledger_open(ARGV[arg], ARGV[arg + 1], ARGV[arg + 2] .. now .. ARGV[arg + 3])
end
ledger_end()
return 1
