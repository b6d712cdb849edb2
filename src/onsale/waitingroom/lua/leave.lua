-- Give up the places of persons. ARGV[1]: 16 bytes each. Answers how many had one, or -1 where this server does not have the
-- line. `left` counts them by 4,096 numbers: so many fewer stand before whoever comes after.
if not whole() then
    return -1
end
local gone = 0
for at = 1, #ARGV[1], 16 do
    local person = string.sub(ARGV[1], at, at + 15)
    local key, field = bucket(person), string.sub(person, 3)
    local number = redis.call('HGET', key, field)
    if number then
        redis.call('HDEL', key, field)
        redis.call('HINCRBY', line .. ':left', math.floor(number / 4096), 1)
        gone = gone + 1
    end
end
return gone
