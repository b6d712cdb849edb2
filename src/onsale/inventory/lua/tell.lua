-- Changes of seats, into the map and to who listens. KEYS: the map, what it missed. ARGV: channel, changes, seconds to
-- keep the map, bytes to keep of what it missed. Answers how many were applied, -1 when there is no map.
if redis.call('EXISTS', KEYS[1]) == 0 then
    -- Somebody may be reading a snapshot for a new map, and not see these changes: they wait for it.
    if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('APPEND', KEYS[2], ARGV[2]) > tonumber(ARGV[4]) then
        redis.call('DEL', KEYS[2])
    end
    redis.call('PUBLISH', ARGV[1], '')
    return -1
end
local before, after, applied = apply(KEYS[1], ARGV[2])
if #applied > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    local epoch = redis.call('GETRANGE', KEYS[1], 0, 7)
    redis.call('PUBLISH', ARGV[1], epoch .. struct.pack('<I8I8', before, after) .. table.concat(applied))
end
return #applied
