-- Give each person a place, or find theirs. ARGV[1]: for each 16 bytes of person; the number (8 bytes, a double) and epoch
-- (4 bytes) of a place the person shows, zeros where none; and a byte, 1 where a new number may be given.
-- ARGV[2]: the second from which `seen` counts.
-- Answers {epoch, given, ceiling, numbers...}: 0 is a person without a place, for whom there is no number below the ceiling.
-- Nothing at all where this server does not have the line.
local epoch = whole()
if not epoch then
    return {}
end
local state = redis.call('HMGET', line, 'given', 'ceiling')
local before, ceiling = tonumber(state[1]), tonumber(state[2])
local given, now = before, tonumber(redis.call('TIME')[1]) - tonumber(ARGV[2])
local answers = {epoch, given, ceiling}
for at = 1, #ARGV[1], 29 do
    local person, shown, since, may = struct.unpack('<c16dI4B', ARGV[1], at)
    local key, field = bucket(person), string.sub(person, 3)
    local number = tonumber(redis.call('HGET', key, field) or 0)
    -- A place of an earlier epoch is one this server may have forgotten. Of two places of one person the lower stays.
    if shown > 0 and since < epoch and (number == 0 or shown < number) then
        number = shown
        redis.call('HSET', key, field, string.format('%d', number))
    elseif number == 0 and may == 1 and given < ceiling then
        given = given + 1
        number = given
        redis.call('HSET', key, field, string.format('%d', number))
    end
    if number > 0 then
        saw(number, now)
    end
    answers[#answers + 1] = number
end
if given > before then
    redis.call('HSET', line, 'given', string.format('%d', given))
    answers[2] = given
end
return answers
