-- Goes before `tell` and `load`. The map: 8 bytes epoch, 8 bytes version, 4 bytes seats, then 12 bytes a seat: change_no,
-- word, tag. A change: 16 bytes, the seat's number and these. All numbers are little-endian.
-- A seat only moves forward: a change that is not newer than what the map has is dropped, so that changes may come twice,
-- late and in any order. Answers the version before and after, and the changes applied.
local function apply(map, changes)
    local before, seats = struct.unpack('<I8I4', redis.call('GETRANGE', map, 8, 19))
    local after, applied = before, {}
    for at = 1, #changes, 16 do
        local seat_no, change_no = struct.unpack('<I4I4', changes, at)
        if seat_no < seats then
            local place = 20 + 12 * seat_no
            local known = struct.unpack('<I4', redis.call('GETRANGE', map, place, place + 3))
            if change_no > known then
                redis.call('SETRANGE', map, place, string.sub(changes, at + 4, at + 15))
                after = after + change_no - known
                applied[#applied + 1] = string.sub(changes, at, at + 15)
            end
        end
    end
    if #applied > 0 then
        redis.call('SETRANGE', map, 8, struct.pack('<I8', after))
    end
    return before, after, applied
end
