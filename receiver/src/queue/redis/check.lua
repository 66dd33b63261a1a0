#!lua
-- Writes, so that a store that refuses writes is found out. KEYS: a key for it.
call('SET', KEYS[1], '1', 'PX', 60000)
return 1
