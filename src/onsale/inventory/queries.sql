-- Seats and holds: the only SQL that touches them. Every verb locks buyers, then seats in key order, then holds; where it
-- acts on several shards, each of the three in the order of shards.
-- Statements are index look-ups by array, so that no plan can turn as tables grow. A write that touches another number of
-- rows than was meant fails (`as_many`; P0004, "assert failure", is a bug of ours), and with it the whole transaction.
-- `now` is NULL in production, which means the shard's own clock.

-- name: read_sales
-- The rules and the time a decision is made by. The row is never locked: it does not change while an event is on sale,
-- except `called_off` and `stopped`, which may take effect a batch later.
SELECT shard_id, coalesce(%(now)s::timestamptz, statement_timestamp()), seats, opens_at, closes_at, hold_s,
       seats_per_hold, seats_per_person, several_holds, called_off, stopped
FROM sale
WHERE shard_id = ANY (%(shard_ids)s::bigint[]);

-- name: lock_askers
-- First in the lock order: while this is held, the persons' limits and their lists of holds stand still. Who has never
-- held anything has no row yet; `write_new_buyers` notices when two add it at once.
-- The asks of several shards come as one flat array, which each shard cuts its own out of. What is locked within a
-- LATERAL is never joined otherwise than shard by shard, in their order: the plan cannot turn, nor can the order of locks.
SELECT asked.shard_id, buyer.person, buyer.bought, buyer.holds
FROM unnest(%(shard_ids)s::bigint[], %(first_persons)s::integer[], %(last_persons)s::integer[])
     AS asked (shard_id, first_person, last_person)
CROSS JOIN LATERAL (
    SELECT person, bought, holds
    FROM buyer
    WHERE shard_id = asked.shard_id
      AND person = ANY ((%(persons)s::uuid[])[asked.first_person : asked.last_person])
    ORDER BY person
    FOR UPDATE) AS buyer;

-- name: lock_seats_to_take
-- The wanted seats that are free or run out, and those the askers' own holds carry, waiting and not skipping: a seat
-- that another batch has locked, and in the end does not take, must not look taken. A wanted seat that does not come
-- back is taken. Look-ups are nested and not joined: a join could be planned to read all holds of the shard.
SELECT asked.shard_id, seat.seat_no, seat.change_no, seat.tier, seat.state, seat.hold_id, seat.held_until
FROM unnest(%(shard_ids)s::bigint[], %(first_persons)s::integer[], %(last_persons)s::integer[],
            %(first_seats)s::integer[], %(last_seats)s::integer[])
     AS asked (shard_id, first_person, last_person, first_seat, last_seat)
CROSS JOIN LATERAL (
    SELECT seat_no, change_no, tier, state, hold_id, held_until
    FROM seat
    WHERE shard_id = asked.shard_id
      AND seat_no = ANY ((%(wanted)s::integer[])[asked.first_seat : asked.last_seat] || ARRAY(
          SELECT unnest(seats) FROM hold
          WHERE shard_id = asked.shard_id AND hold_id = ANY (ARRAY(
              SELECT unnest(holds) FROM buyer
              WHERE shard_id = asked.shard_id
                AND person = ANY ((%(persons)s::uuid[])[asked.first_person : asked.last_person])))))
      AND (state = 0
           OR state = 1 AND held_until <= coalesce(%(now)s::timestamptz, statement_timestamp())
           OR state = 1 AND hold_id = ANY (ARRAY(
               SELECT unnest(holds) FROM buyer
               WHERE shard_id = asked.shard_id
                 AND person = ANY ((%(persons)s::uuid[])[asked.first_person : asked.last_person]))))
    ORDER BY seat_no
    FOR UPDATE) AS seat;

-- name: lock_holds_of_askers
-- Last in the lock order: the holds the askers have, which this batch may replace.
SELECT asked.shard_id, hold.hold_id, hold.person, hold.state, hold.seats, hold.tiers, hold.expires_at, hold.max_until,
       hold.key_hash
FROM unnest(%(shard_ids)s::bigint[], %(first_persons)s::integer[], %(last_persons)s::integer[])
     AS asked (shard_id, first_person, last_person)
CROSS JOIN LATERAL (
    SELECT hold_id, person, state, seats, tiers, expires_at, max_until, key_hash
    FROM hold
    WHERE shard_id = asked.shard_id AND hold_id = ANY (ARRAY(
        SELECT unnest(holds) FROM buyer
        WHERE shard_id = asked.shard_id
          AND person = ANY ((%(persons)s::uuid[])[asked.first_person : asked.last_person])))
    ORDER BY hold_id
    FOR UPDATE) AS hold;

-- name: lock_buyers
-- Persons whose orders are taken back.
SELECT person, bought, holds
FROM buyer
WHERE shard_id = %(shard_id)s AND person = ANY (%(persons)s::uuid[])
ORDER BY person
FOR UPDATE;

-- name: lock_buyers_of_holds
-- The owners of given holds; a hold never changes its owner.
SELECT person, bought, holds
FROM buyer
WHERE shard_id = %(shard_id)s
  AND person = ANY (ARRAY(SELECT person FROM hold WHERE shard_id = %(shard_id)s AND hold_id = ANY (%(hold_ids)s::bigint[])))
ORDER BY person
FOR UPDATE;

-- name: lock_seats_of_holds
-- Only seats that still carry one of the holds: ownership is what counts, not the list of seats the hold once had.
SELECT seat_no, change_no, tier, state, hold_id, held_until
FROM seat
WHERE shard_id = %(shard_id)s
  AND seat_no = ANY (ARRAY(
      SELECT unnest(seats) FROM hold WHERE shard_id = %(shard_id)s AND hold_id = ANY (%(hold_ids)s::bigint[])))
  AND hold_id = ANY (%(hold_ids)s::bigint[])
ORDER BY seat_no
FOR UPDATE;

-- name: lock_holds
-- With them comes the time a decision is made by.
SELECT hold_id, person, state, seats, tiers, expires_at, max_until, key_hash,
       coalesce(%(now)s::timestamptz, statement_timestamp())
FROM hold
WHERE shard_id = %(shard_id)s AND hold_id = ANY (%(hold_ids)s::bigint[])
ORDER BY hold_id
FOR UPDATE;

-- name: lock_sold_seats
-- Seats that still belong to this order, and to no other.
SELECT seat_no, change_no, tier, state, hold_id, held_until
FROM seat
WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seat_nos)s::integer[]) AND order_id = %(order_id)s AND state = 2
ORDER BY seat_no
FOR UPDATE;

-- name: lock_seats
-- Seats by number, whoever has them: an organiser takes them off sale or puts them back, and hears of those that are
-- somebody's. No buyer and no hold is locked: a seat that only names a run-out hold is lost to it, as to anybody.
SELECT seat_no, change_no, tier, state, hold_id, held_until
FROM seat
WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seat_nos)s::integer[])
ORDER BY seat_no
FOR UPDATE;

-- name: write_seats
-- Every change raises the seat's change number, so that caches and maps only move forward. A batch has few different
-- deadlines: each travels once, and a seat names its own by its place among them.
-- An upsert that never inserts: of all forms of an UPDATE from a list it is the only one that can be planned in one way
-- alone, a look-up by key for each row. A row that was not there would begin with change number 0, is not counted as
-- written, and so fails the batch.
WITH written AS (
    INSERT INTO seat (shard_id, seat_no, tier, state, hold_id, held_until, order_id)
    SELECT new.shard_id, new.seat_no, 0, new.state, new.hold_id, (%(moments)s::timestamptz[])[new.until], new.order_id
    FROM unnest(%(shard_ids)s::bigint[], %(seat_nos)s::integer[], %(states)s::smallint[], %(hold_ids)s::bigint[],
                %(untils)s::integer[], %(order_ids)s::bigint[])
         AS new (shard_id, seat_no, state, hold_id, until, order_id)
    ON CONFLICT (shard_id, seat_no) DO UPDATE
    SET state = excluded.state, hold_id = excluded.hold_id, held_until = excluded.held_until,
        order_id = excluded.order_id, change_no = seat.change_no + 1
    RETURNING change_no)
SELECT as_many(count(*) FILTER (WHERE change_no > 0), cardinality(%(seat_nos)s::integer[]), 'P0004') FROM written;

-- name: write_new_holds
-- Seats and tiers of all holds travel as one flat array each and are cut by their lengths: arrays of arrays must be
-- rectangular in PostgreSQL.
WITH written AS (
    INSERT INTO hold (shard_id, hold_id, person, seats, tiers, expires_at, max_until, key_hash)
    SELECT new.shard_id, new.hold_id, new.person,
           (%(seats)s::integer[])[new.first : new.last], (%(tiers)s::smallint[])[new.first : new.last],
           (%(moments)s::timestamptz[])[new.expiry], (%(moments)s::timestamptz[])[new.bound], decode(new.key_hash, 'hex')
    FROM unnest(%(shard_ids)s::bigint[], %(hold_ids)s::bigint[], %(persons)s::uuid[], %(firsts)s::integer[],
                %(lasts)s::integer[], %(expiries)s::integer[], %(bounds)s::integer[], %(key_hashes)s::text[])
         AS new (shard_id, hold_id, person, first, last, expiry, bound, key_hash)
    RETURNING true)
SELECT as_many(count(*), cardinality(%(hold_ids)s::bigint[]), 'P0004') FROM written;

-- name: write_holds
-- A hold that ends or lives longer.
WITH written AS (
    UPDATE hold
    SET state = new.state, expires_at = (%(moments)s::timestamptz[])[new.expiry]
    FROM unnest(%(hold_ids)s::bigint[], %(states)s::smallint[], %(expiries)s::integer[])
         AS new (hold_id, state, expiry)
    WHERE hold.shard_id = %(shard_id)s AND hold.hold_id = new.hold_id AND hold.hold_id = ANY (%(hold_ids)s::bigint[])
    RETURNING true)
SELECT as_many(count(*), cardinality(%(hold_ids)s::bigint[]), 'P0004') FROM written;

-- name: write_new_buyers
-- A person's first hold at an event. Fewer rows than meant (40001, "serialization failure"): another batch added one of
-- them since we looked, and this one begins anew, with that row locked. Keys are added in order, so that two batches do not
-- wait for each other in a circle.
WITH written AS (
    INSERT INTO buyer (shard_id, person, bought, holds)
    SELECT new.shard_id, new.person, new.bought, new.holds::bigint[]
    FROM unnest(%(shard_ids)s::bigint[], %(persons)s::uuid[], %(bought)s::integer[], %(holds)s::text[])
         AS new (shard_id, person, bought, holds)
    ORDER BY new.shard_id, new.person
    ON CONFLICT DO NOTHING
    RETURNING true)
SELECT as_many(count(*), cardinality(%(persons)s::uuid[]), '40001') FROM written;

-- name: write_buyers
-- Lists of holds travel as text: each person has a list of another length.
WITH written AS (
    UPDATE buyer
    SET bought = new.bought, holds = new.holds::bigint[]
    FROM unnest(%(persons)s::uuid[], %(bought)s::integer[], %(holds)s::text[]) AS new (person, bought, holds)
    WHERE buyer.shard_id = %(shard_id)s AND buyer.person = new.person AND buyer.person = ANY (%(persons)s::uuid[])
    RETURNING true)
SELECT as_many(count(*), cardinality(%(persons)s::uuid[]), 'P0004') FROM written;

-- name: lay_down_sale
-- A sale is laid down once; a second attempt finds the row and changes nothing.
INSERT INTO sale (shard_id, seats, opens_at, closes_at, hold_s, seats_per_hold, seats_per_person, several_holds,
                  called_off)
VALUES (%(shard_id)s, %(seats)s, %(opens_at)s, %(closes_at)s, %(hold_s)s, %(seats_per_hold)s, %(seats_per_person)s,
        %(several_holds)s, %(called_off)s)
ON CONFLICT DO NOTHING
RETURNING true;

-- name: lay_down_seats
-- All seats of a shard in one statement: the tiers come as one array in seat order. Neighbours are laid into different
-- pages (about 120 rows fit one): a batch takes neighbouring seats, and a page has room for a few new versions of its rows,
-- not for all at once. So they stay in their page, where the next reader clears the old ones away, and no index grows.
INSERT INTO seat (shard_id, seat_no, tier)
SELECT %(shard_id)s, seat.number - 1, seat.tier
FROM unnest(%(tiers)s::smallint[]) WITH ORDINALITY AS seat (tier, number)
ORDER BY seat.number / 32000, seat.number %% 256, seat.number;

-- name: read_hold
-- One hold and how many of its seats still carry it.
SELECT hold_id, person, state, seats, tiers, expires_at, max_until, key_hash,
       (SELECT count(*) FROM seat
        WHERE seat.shard_id = hold.shard_id AND seat.seat_no = ANY (hold.seats) AND seat.hold_id = hold.hold_id),
       coalesce(%(now)s::timestamptz, statement_timestamp())
FROM hold
WHERE shard_id = %(shard_id)s AND hold_id = %(hold_id)s;

-- name: holds_of_person
-- What a person's list names. A condition on state and time would tempt the planner into the sweeper's index, which
-- names everybody's holds; the caller looks at these few.
SELECT hold_id, person, state, seats, tiers, expires_at, max_until, key_hash,
       coalesce(%(now)s::timestamptz, statement_timestamp())
FROM hold
WHERE shard_id = %(shard_id)s
  AND hold_id = ANY (ARRAY(SELECT unnest(holds) FROM buyer WHERE shard_id = %(shard_id)s AND person = %(person)s))
ORDER BY expires_at, hold_id;

-- name: holds_past_deadline
-- Candidates for the sweeper, found without a lock and looked at again under it. Skips nothing: a hold that is being
-- paid for has a later deadline by the time its locks are free.
SELECT shard_id, hold_id
FROM hold
WHERE state = 1 AND expires_at <= coalesce(%(now)s::timestamptz, statement_timestamp())
ORDER BY expires_at
LIMIT %(rows_max)s;

-- name: forget_ended_holds
-- Ended holds are kept a while for clients that ask what became of them, then deleted. One that a verb has locked is
-- left for the next time: whoever never waits is in no deadlock.
DELETE FROM hold
WHERE (shard_id, hold_id) IN (
    SELECT shard_id, hold_id FROM hold
    WHERE state <> 1
      AND max_until < coalesce(%(now)s::timestamptz, statement_timestamp()) - make_interval(secs => %(kept_s)s)
    LIMIT %(rows_max)s
    FOR UPDATE SKIP LOCKED);

-- name: picture
-- The state of every seat, in order, as one text of digits, and the sum of the change numbers: it rises with every
-- change and so is a version of the whole. Seats held past their deadline show as held until the sweep, a second later.
SELECT coalesce(sum(change_no), 0)::bigint, coalesce(string_agg(state::text, '' ORDER BY seat_no), '')
FROM seat
WHERE shard_id = %(shard_id)s;

-- name: count_free
-- Seats left per tier.
SELECT tier, count(*) FILTER (WHERE state = 0)
FROM seat
WHERE shard_id = %(shard_id)s
GROUP BY tier
ORDER BY tier;

-- name: write_stopped
-- An operator stops the taking of seats, or lets it go on; holds and payments under way are not touched.
UPDATE sale SET stopped = %(stopped)s WHERE shard_id = %(shard_id)s RETURNING true;

-- name: write_called_off
-- Beside the organiser's word, in the transaction that writes it. Where nothing is on sale yet, the sale is told when it
-- is laid down.
UPDATE sale SET called_off = %(called_off)s WHERE shard_id = %(shard_id)s;

-- name: snapshot
-- All seats as the map in Redis has them, 12 bytes each, big-endian: change_no; the word (state, and above its two bits
-- the whole second since 2020 in which a hold ends); the low 32 bits of the holder's person.
SELECT coalesce(sum(change_no), 0)::bigint,
       coalesce(string_agg(
           int4send(change_no)
           || substring(int8send(CASE state
               WHEN 1 THEN 4 * (floor(extract(epoch FROM held_until))::bigint - 1577836800) + 1
               ELSE state END) FROM 5)
           || coalesce(substring(uuid_send(person) FROM 13), int4send(0)),
           ''::bytea ORDER BY seat_no), ''::bytea)
FROM (SELECT seat_no, change_no, seat.state, held_until, person
      FROM seat
      LEFT JOIN hold ON seat.state = 1 AND hold.shard_id = seat.shard_id AND hold.hold_id = seat.hold_id
      WHERE seat.shard_id = %(shard_id)s) AS seen;

-- name: seats_as_they_are
-- Some seats as the map has them, for those it missed. Look-ups are nested and not joined, as in lock_seats_to_take.
SELECT seat_no, change_no, state, held_until,
       (SELECT person FROM hold WHERE hold.shard_id = %(shard_id)s AND hold.hold_id = seat.hold_id AND seat.state = 1)
FROM seat
WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seat_nos)s::integer[]);
