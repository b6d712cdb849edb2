-- Let numbers be given after those below the ceiling: PostgreSQL has handed out those above `after`, up to `ceiling`, to this
-- server. ARGV: epoch, after, ceiling. Numbers between are others'; they are left out once all before them are given.
if whole() ~= tonumber(ARGV[1]) then
    return 0
end
local state = redis.call('HMGET', line, 'given', 'ceiling')
local given, known = tonumber(state[1]), tonumber(state[2])
local after, ceiling = tonumber(ARGV[2]), tonumber(ARGV[3])
if ceiling <= known or (after ~= known and given < known) then
    return 0
end
if after ~= known then
    redis.call('HSET', line, 'given', ARGV[2])
end
redis.call('HSET', line, 'ceiling', ARGV[3])
return 1
