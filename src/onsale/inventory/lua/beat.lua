-- The end of a healer's round: say how far it has come, if this Redis still has what the round wrote. KEYS: the healer's
-- round, the position. ARGV: round, position, channel, whether to beat. Answers 0 when writes were lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[2], ARGV[2])
if ARGV[4] == '1' then
    redis.call('PUBLISH', ARGV[3], ARGV[1])
end
return 1
