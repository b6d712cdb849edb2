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
