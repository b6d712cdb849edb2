-- Forget a map that may have lost changes, and one being made. KEYS: the map, what it missed. ARGV: channel.
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[1], '')
