-- Lines. What Redis keeps of a line can be lost; this cannot, and is enough to go on without giving a number twice.

-- Numbers up to `ceiling` may have been given. Those above `handed_after`, up to `handed`, are Redis' to give, in this epoch;
-- `given` is how far it was about a second ago.
CREATE TABLE line (
    shard_id bigint PRIMARY KEY,
    epoch integer NOT NULL DEFAULT 0,
    ceiling bigint NOT NULL DEFAULT 0,
    handed_after bigint NOT NULL DEFAULT 0,
    handed bigint NOT NULL DEFAULT 0,
    given bigint NOT NULL DEFAULT 0,
    serving bigint NOT NULL DEFAULT 0,
    CONSTRAINT line_hands_out_what_it_has CHECK (handed_after <= handed AND handed <= ceiling AND given <= ceiling),
    CONSTRAINT line_serves_what_it_has CHECK (serving <= ceiling)
);

-- Numbers above `after`, up to `until`, that nobody has, or a few of the last second before Redis was lost: they are left out
-- when people ahead are counted.
CREATE TABLE line_gap (
    shard_id bigint NOT NULL,
    after bigint NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (shard_id, after),
    CONSTRAINT line_gap_is_one CHECK (after < until)
);
