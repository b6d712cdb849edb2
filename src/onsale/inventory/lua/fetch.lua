-- The map; where there is none, the permission to make one: from now on, what it misses is kept. KEYS: the map, what it
-- missed. ARGV: a fresh permission (8 bytes), seconds to keep what is missed. Answers {1, map} or {0, permission}; all who
-- make the map at a time share one permission.
local map = redis.call('GET', KEYS[1])
if map then
    return {1, map}
end
redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', ARGV[2])
return {0, redis.call('GETRANGE', KEYS[2], 0, 7)}
