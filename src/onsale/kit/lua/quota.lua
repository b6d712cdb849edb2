-- GCRA, the rate limit that needs one number per key: the theoretical arrival time of the next conforming request
-- (ITU-T I.371, "virtual scheduling"). Of each ask all charges are taken, or none.
-- KEYS: one per charge. ARGV[1]: four little-endian doubles per charge: emission interval and tolerance (microseconds),
-- cost, and how many more charges belong to the same ask.
-- Answers for each charge {conforms 0|1, microseconds until it would, microseconds until fully idle}. Redis' own clock,
-- so that web processes with different clocks agree.
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local answers, ask, conform = {}, {}, true
for i, key in ipairs(KEYS) do
    local interval, tolerance, cost, more = struct.unpack('<dddd', ARGV[1], 32 * (i - 1) + 1)
    local arrival = math.max(tonumber(redis.call('GET', key) or 0), now)
    -- No more than the whole quota is ever taken at once: a later arrival is of before the clock was put back, and whoever
    -- it belongs to would wait for as long as the clock was wrong. A step below one interval is waited out: it must not
    -- give everybody who has nothing left a new quota.
    if arrival > now + tolerance + interval then
        arrival = now
    end
    local following = arrival + interval * cost
    local early = following - now - tolerance
    conform = conform and early <= 0
    ask[#ask + 1] = {key, arrival, following, early}
    if more == 0 then
        for _, charge in ipairs(ask) do
            local idle = charge[2] - now
            if conform then
                idle = charge[3] - now
                redis.call('SET', charge[1], string.format('%d', charge[3]), 'PX', math.ceil(idle / 1000) + 1)
            end
            answers[#answers + 1] = {charge[4] <= 0 and 1 or 0, math.ceil(math.max(0, charge[4])), math.ceil(idle)}
        end
        ask, conform = {}, true
    end
end
return answers
