-- Seats and holds. Every key begins with the shard, and no foreign key joins two shards (design.md section 11).

-- What a shard's sale allows, copied from the event when it goes on sale, so that a hold asks nobody else.
CREATE TABLE sale (
    shard_id bigint PRIMARY KEY,
    seats integer NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    hold_s integer NOT NULL,
    seats_per_hold integer NOT NULL,
    seats_per_person integer NOT NULL,
    several_holds boolean NOT NULL,
    -- Two reasons to take no seats, kept apart so that taking back the one never lifts the other: the organiser's word
    -- (event.said), and a stop by hand.
    called_off boolean NOT NULL DEFAULT false,
    stopped boolean NOT NULL DEFAULT false
);

-- One row per seat and at most one owner in it, so that a seat cannot be sold twice even by a bug.
-- state: 0 free, 1 held, 2 sold, 3 not for sale. A free seat may still name the hold that ran out on it: until somebody
-- takes the seat, that hold's owner may still complete. `change_no` rises with every change of what others can see.
-- Eight columns at most: a ninth would make the null bitmap, and with it every row, 8 bytes larger.
CREATE TABLE seat (
    shard_id bigint NOT NULL,
    seat_no integer NOT NULL,
    change_no integer NOT NULL DEFAULT 0,
    tier smallint NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    hold_id bigint,
    held_until timestamptz,
    order_id bigint,
    PRIMARY KEY (shard_id, seat_no),
    CONSTRAINT seat_one_owner CHECK (
        CASE state
            WHEN 0 THEN order_id IS NULL AND held_until IS NULL
            WHEN 1 THEN hold_id IS NOT NULL AND held_until IS NOT NULL AND order_id IS NULL
            WHEN 2 THEN order_id IS NOT NULL AND hold_id IS NULL AND held_until IS NULL
            WHEN 3 THEN hold_id IS NULL AND held_until IS NULL AND order_id IS NULL
            ELSE false
        END
    )
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- Carries what limits a person, and is locked first, so that two requests of one person cannot pass the limit together.
CREATE TABLE buyer (
    shard_id bigint NOT NULL,
    person uuid NOT NULL,
    bought integer NOT NULL DEFAULT 0 CHECK (bought >= 0),
    holds bigint[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (shard_id, person)
) WITH (fillfactor = 85);

-- state: 1 active, 2 run out (its owner may still complete while no seat of it is taken), 3 released, 4 replaced, 5 sold.
CREATE TABLE hold (
    shard_id bigint NOT NULL,
    hold_id bigint NOT NULL,
    person uuid NOT NULL,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
    seats integer[] NOT NULL CHECK (cardinality(seats) > 0),
    tiers smallint[] NOT NULL,
    expires_at timestamptz NOT NULL,
    max_until timestamptz NOT NULL,
    key_hash bytea,
    PRIMARY KEY (shard_id, hold_id),
    CONSTRAINT hold_within_its_bound CHECK (expires_at <= max_until),
    CONSTRAINT hold_knows_each_tier CHECK (cardinality(tiers) = cardinality(seats))
) WITH (fillfactor = 85);
-- What the sweeper looks for, and nothing else: ended holds are not in it.
CREATE INDEX hold_running_out ON hold (expires_at) WHERE state = 1;
