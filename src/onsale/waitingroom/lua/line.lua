-- What every script about a line begins with. KEYS[1]: the line, a hash; all other keys of an event share its hash tag.
--   epoch    which account of the line this is: rises whenever Redis may have lost some of it
--   run      the server that keeps it: another one, or the same after a restart, may lack what was written last
--   given    the last number given
--   ceiling  no number above it may be given before PostgreSQL has committed to more
local line = KEYS[1]

-- The epoch, or nil where this server does not have the whole line.
local function whole()
    local known = redis.call('HMGET', line, 'epoch', 'run')
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
    if known[1] and known[2] == run then
        return tonumber(known[1])
    end
    return nil
end

-- Places by person: thousands of small hashes, since Redis keeps those in a quarter of the space.
local function bucket(person)
    return line .. ':' .. string.sub(person, 1, 2)
end

-- When the person of a number was seen last, in seconds: four bytes a number, in strings of 65,536.
local function saw(number, now)
    local at = number % 65536
    redis.call('SETRANGE', line .. ':seen:' .. (number - at) / 65536, at * 4, struct.pack('<I4', now))
end
