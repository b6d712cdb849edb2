-- Begin an epoch that PostgreSQL has committed. ARGV: epoch, the number after which it gives numbers, ceiling.
-- What is left of earlier ones stays: the places in it are real. Answers the epoch there is then.
local known = tonumber(redis.call('HGET', line, 'epoch') or 0)
if tonumber(ARGV[1]) > known then
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
    redis.call('HSET', line, 'epoch', ARGV[1], 'run', run, 'given', ARGV[2], 'ceiling', ARGV[3])
    known = tonumber(ARGV[1])
end
return known
