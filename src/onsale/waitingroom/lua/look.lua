-- What the board shows: {epoch, serving, given, block, left in it, ...}; nothing where this server does not have the line.
-- It costs the same however many wait.
local epoch = whole()
if not epoch then
    return {}
end
local state = redis.call('HMGET', line, 'serving', 'given')
local answer = {epoch, tonumber(state[1] or 0), tonumber(state[2])}
for _, counted in ipairs(redis.call('HGETALL', line .. ':left')) do
    answer[#answer + 1] = counted
end
return answer
