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
