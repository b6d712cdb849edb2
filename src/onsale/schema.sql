-- The whole schema as the migrations make it, for reading. A test holds the two together; the job queue's own tables
-- (procrastinate) are left out. Change it together with a new migration.

-- What every room stands on: facts, answers kept for repeated requests, the development mailbox.

-- Something that happened, written in the transaction that made it true. `xid` lets followers read in commit order.
CREATE TABLE fact (
    fact_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT statement_timestamp(),
    kind text NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX fact_in_commit_order ON fact (xid, fact_id);
CREATE INDEX fact_at ON fact (at);

-- The primary key makes a repeated request wait for the first, then find its answer: nothing happens twice.
CREATE TABLE idempotency (
    scope text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status integer,
    answer bytea,
    at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE mailbox (
    mail_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT statement_timestamp(),
    recipient text NOT NULL,
    subject text NOT NULL,
    body_text text NOT NULL,
    body_html text NOT NULL,
    attachments jsonb NOT NULL
);

-- Whoever writes knows how many rows they meant, and a write that misses one must not commit. Asked of PostgreSQL itself, the
-- check needs no answer before the COMMIT, which so travels with the writes: a round trip less for every batch.
CREATE FUNCTION as_many(written bigint, meant integer, otherwise text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF written <> meant THEN
        RAISE EXCEPTION 'wrote % rows instead of %', written, meant USING ERRCODE = otherwise;
    END IF;
END
$$;

-- Persons who told us their e-mail address, their one-time codes and their sessions.

-- `person` is the PersonKey that places, holds and orders carry; a guest has one too, but no row here.
CREATE TABLE account (
    person uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    roles text[] NOT NULL DEFAULT '{fan}',
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    -- Written by `normal_email` and nobody else: two spellings of one address would be two persons.
    CONSTRAINT account_email_is_normal CHECK (email = lower(email) AND octet_length(email) <= 254),
    CONSTRAINT account_roles_known CHECK (roles <@ '{fan,organiser,operator}')
);
-- One account per address: two people signing in at once with one address are one person.
CREATE UNIQUE INDEX account_one_per_email ON account (email);

-- One live code per address; only its keyed hash is stored, so that reading this table lets nobody in.
CREATE TABLE sign_in_code (
    email text PRIMARY KEY,
    code_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0
);
-- For throwing away what nobody used.
CREATE INDEX sign_in_code_expires_at ON sign_in_code (expires_at);

-- Sessions are checked locally by signature; this is the list of those that ended before their time.
CREATE TABLE revoked_session (
    session_id uuid PRIMARY KEY,
    revoked_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
-- Every process reads on from what it has seen, page by page; the worker throws away the oldest.
CREATE INDEX revoked_session_in_order ON revoked_session (revoked_at, session_id);

-- What is on: organisers, venues and their charts, genres, events and their price tiers.

CREATE TABLE organiser (
    organiser_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL
);

-- Who may act for an organiser.
CREATE TABLE organiser_member (
    organiser_id bigint NOT NULL REFERENCES organiser,
    person uuid NOT NULL,
    PRIMARY KEY (organiser_id, person)
);

CREATE TABLE venue (
    venue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    address text NOT NULL DEFAULT '',
    city text NOT NULL,
    country text NOT NULL,
    latitude double precision,
    longitude double precision,
    timezone text NOT NULL,
    CONSTRAINT venue_on_earth CHECK (
        (latitude IS NULL) = (longitude IS NULL)
        AND latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180
    )
);
CREATE INDEX venue_city ON venue (lower(city));

-- A chart never changes: a new version is a new row. Its hash is its address, so browsers may keep it for ever.
CREATE TABLE chart (
    chart_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id bigint NOT NULL REFERENCES venue,
    version integer NOT NULL,
    hash text NOT NULL,
    name text NOT NULL,
    seats integer NOT NULL CHECK (seats > 0),
    -- The names of its price zones, so that an event can be priced without reading a body of a megabyte.
    zones text[] NOT NULL CHECK (cardinality(zones) > 0),
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    UNIQUE (venue_id, version),
    UNIQUE (venue_id, hash)
);
CREATE INDEX chart_hash ON chart (hash);

CREATE TABLE genre (
    slug text PRIMARY KEY,
    name text NOT NULL
);

-- Status is derived from the times and the seats left, never typed in; only `said` is the organiser's word.
CREATE TABLE event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organiser_id bigint NOT NULL REFERENCES organiser,
    venue_id bigint NOT NULL REFERENCES venue,
    chart_id bigint REFERENCES chart,
    genre text NOT NULL REFERENCES genre,
    slug text NOT NULL,
    title text NOT NULL,
    summary text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    -- A path of ours, never another site's: a visitor's browser tells nobody else what it looks at.
    image text CHECK (image LIKE '/static/%'),
    starts_at timestamptz NOT NULL,
    doors_at timestamptz,
    ends_at timestamptz NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    said text,
    currency text NOT NULL,
    hold_s integer NOT NULL,
    seats_per_hold integer NOT NULL,
    seats_per_person integer NOT NULL,
    several_holds boolean NOT NULL DEFAULT false,
    guests boolean NOT NULL DEFAULT true,
    on_sale boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    CONSTRAINT event_times_in_order CHECK (opens_at <= closes_at AND starts_at <= ends_at),
    -- What is still to come then lies in one stretch of the index on starts_at, however long the history grows.
    CONSTRAINT event_length CHECK (ends_at - starts_at <= interval '31 days'),
    CONSTRAINT event_said_known CHECK (said IN ('CANCELLED', 'POSTPONED')),
    CONSTRAINT event_currency_iso CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT event_limits CHECK (
        hold_s BETWEEN 1 AND 3600 AND seats_per_hold BETWEEN 1 AND 100 AND seats_per_person BETWEEN 1 AND 10000
    )
);
CREATE INDEX event_starts_at ON event (starts_at, event_id);
CREATE INDEX event_genre ON event (genre, starts_at);
CREATE INDEX event_venue ON event (venue_id, starts_at);

-- A price class of an event: the chart's price zones it covers, and what a seat there costs with everything in.
CREATE TABLE tier (
    event_id bigint NOT NULL REFERENCES event ON DELETE CASCADE,
    tier smallint NOT NULL,
    name text NOT NULL,
    zones smallint[] NOT NULL,
    face_minor bigint NOT NULL CHECK (face_minor >= 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    colour text NOT NULL CHECK (colour ~ '^#[0-9a-f]{6}$'),
    -- Told by inventory about once a second while seats change; NULL until the event is on sale.
    seats_left integer,
    PRIMARY KEY (event_id, tier)
);

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
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0, fillfactor = 80);

-- Carries what limits a person, and is locked first, so that two requests of one person cannot pass the limit together.
CREATE TABLE buyer (
    shard_id bigint NOT NULL,
    person uuid NOT NULL,
    bought integer NOT NULL DEFAULT 0 CHECK (bought >= 0),
    holds bigint[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (shard_id, person)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

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
-- What is deleted when it is old enough, and nothing else: a hold comes in when it ends, never while seats are taken.
CREATE INDEX hold_ended ON hold (max_until) WHERE state <> 1;

-- Tickets: the right to enter.

-- state: 1 valid, 2 used, 3 void. `person` holds the ticket; `code_version` rises on transfer and resale, so that the old
-- code dies. The order may live on another shard of the same event, so no foreign key joins them.
CREATE TABLE ticket (
    shard_id bigint NOT NULL,
    ticket_id bigint NOT NULL,
    order_shard_id bigint NOT NULL,
    order_id bigint NOT NULL,
    person uuid NOT NULL,
    price_minor bigint NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    seat_no integer NOT NULL,
    tier smallint NOT NULL,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    code_version integer NOT NULL DEFAULT 1,
    PRIMARY KEY (shard_id, ticket_id)
);
-- The last line of defence against selling a seat twice: a second valid ticket cannot be written.
CREATE UNIQUE INDEX ticket_one_valid_per_seat ON ticket (shard_id, seat_no) WHERE state IN (1, 2);
CREATE INDEX ticket_order ON ticket (shard_id, order_id);

-- Orders and payments. An order lives on the shard of its first hold.

-- state: 1 pending, 2 paid (seats sold, tickets issued), 3 confirmed (captured), 4 lost (seats gone, no money taken),
-- 5 capture_failed.
CREATE TABLE orders (
    shard_id bigint NOT NULL,
    order_id bigint NOT NULL,
    person uuid NOT NULL,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
    email text NOT NULL,
    phone text,
    currency text NOT NULL,
    face_minor bigint NOT NULL CHECK (face_minor >= 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    total_minor bigint NOT NULL,
    key_hash bytea,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (shard_id, order_id),
    CONSTRAINT order_total_is_all_in CHECK (total_minor = face_minor + fee_minor)
);
-- A repeated request with the same Idempotency-Key finds the order it made.
CREATE UNIQUE INDEX orders_one_per_key ON orders (shard_id, person, key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX orders_of_person ON orders (person);

CREATE TABLE order_hold (
    shard_id bigint NOT NULL,
    order_id bigint NOT NULL,
    hold_shard_id bigint NOT NULL,
    hold_id bigint NOT NULL,
    active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (shard_id, order_id, hold_shard_id, hold_id)
);
-- At most one active order per hold: two tabs cannot pay for the same seats in two orders.
CREATE UNIQUE INDEX order_hold_one_active ON order_hold (shard_id, hold_shard_id, hold_id) WHERE active;

CREATE TABLE order_item (
    shard_id bigint NOT NULL,
    order_id bigint NOT NULL,
    seat_shard_id bigint NOT NULL,
    seat_no integer NOT NULL,
    tier smallint NOT NULL,
    face_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    PRIMARY KEY (shard_id, order_id, seat_shard_id, seat_no)
);

-- Written before the gateway is called. state: 1 authorising, 2 capturing (seats sold, tickets issued), 3 captured,
-- 4 declined, 5 voiding, 6 voided, 7 refunding, 8 refunded, 9 capture_failed.
CREATE TABLE payment (
    shard_id bigint NOT NULL,
    order_id bigint NOT NULL,
    attempt smallint NOT NULL CHECK (attempt > 0),
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 9),
    gateway text NOT NULL,
    method text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    gateway_ref text,
    decline_code text,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (shard_id, order_id, attempt)
);
-- At most one attempt of an order may be under way: a double click cannot start a second charge.
CREATE UNIQUE INDEX payment_one_under_way ON payment (shard_id, order_id) WHERE state IN (1, 2, 5, 7);
-- An order is captured at most once, whatever is retried, replayed or reordered.
CREATE UNIQUE INDEX payment_one_capture ON payment (shard_id, order_id) WHERE state IN (2, 3);
-- What the reconciler looks for, and nothing else.
CREATE INDEX payment_unfinished ON payment (updated_at) WHERE state IN (1, 2, 5, 7);

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
