-- Which of these changes the map does not have yet. KEYS: the map, what it missed. ARGV: channel, pairs (8 bytes each:
-- seat_no, change_no). Answers the seat numbers, 4 bytes each, or 'm' while a map is being made: its snapshot may not have
-- them, so all have to be told. Where there is no map none is behind, but who still mirrors one hears that it is gone.
local map, pairs = KEYS[1], ARGV[2]
local head = redis.call('GETRANGE', map, 0, 19)
if #head < 20 then
    redis.call('PUBLISH', ARGV[1], '')
    return redis.call('EXISTS', KEYS[2]) == 1 and 'm' or ''
end
local seats, behind = struct.unpack('<I4', head, 17), {}
for at = 1, #pairs, 8 do
    local seat_no, change_no = struct.unpack('<I4I4', pairs, at)
    local place = 20 + 12 * seat_no
    if seat_no < seats and struct.unpack('<I4', redis.call('GETRANGE', map, place, place + 3)) < change_no then
        behind[#behind + 1] = string.sub(pairs, at, at + 3)
    end
end
return table.concat(behind)
