-- A new map from a snapshot and the changes that came since it was permitted, only if there is none. KEYS: the map, what
-- it missed. ARGV: channel, permission, map, seconds to keep it. Answers 1: made; 0: there is one; -1: what it missed was
-- not kept, begin again.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
local missed = redis.call('GET', KEYS[2])
if not missed or string.sub(missed, 1, 8) ~= ARGV[2] then
    return -1
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
redis.call('DEL', KEYS[2])
local _, version = apply(KEYS[1], string.sub(missed, 9))
-- A step from the first version to itself: who follows another epoch hears that it is over.
redis.call('PUBLISH', ARGV[1], string.sub(ARGV[3], 1, 8) .. struct.pack('<I8I8', version, version))
return 1
