-- GCRA, the rate limit that needs one number per key: the theoretical arrival time of the next conforming request
-- (ITU-T I.371, "virtual scheduling"). KEYS[1]: the key. ARGV: emission interval and tolerance (microseconds), cost.
-- Answers {allowed 0|1, microseconds until allowed, microseconds until fully idle}. Redis' own clock, so that web
-- processes with different clocks agree.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, tolerance, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
-- No more than the whole quota is ever taken at once: a later arrival is of before the clock was put back, and whoever
-- it belongs to would wait for as long as the clock was wrong. A step below one interval is waited out: it must not
-- give everybody who has nothing left a new quota.
if arrival > now + tolerance + interval then
    arrival = now
end
local following = arrival + interval * cost
local early = following - now - tolerance
if early > 0 then
    return {0, math.ceil(early), math.ceil(arrival - now)}
end
redis.call('SET', KEYS[1], string.format('%d', following), 'PX', math.ceil((following - now) / 1000) + 1)
return {1, 0, math.ceil(following - now)}
