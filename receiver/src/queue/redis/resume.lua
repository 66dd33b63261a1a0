#!lua flags=allow-oom
-- Lifts a pause and closes the circuit. KEYS: throttle. ARGV: channel, sink.
call('HDEL', KEYS[1], 'paused_until', 'reason', 'failures', 'open_until', 'probe_until')
call('PUBLISH', ARGV[1], ARGV[2])
return 1
