-- The baselines' statements. They write seats and holds as onsale does, and leave out what it does besides (limits per
-- person, facts), so that the comparison errs in their favour.

-- name: lock_seats
-- Baseline 1 and 3: a row lock for each request.
SELECT seat_no, tier, state = 0 OR state = 1 AND held_until <= statement_timestamp(), statement_timestamp()
FROM seat WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seats)s) ORDER BY seat_no FOR UPDATE;

-- name: read_seats
-- Baseline 2: look without a lock, and remember the version.
SELECT seat_no, tier, state = 0 OR state = 1 AND held_until <= statement_timestamp(), statement_timestamp(), change_no
FROM seat WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seats)s) ORDER BY seat_no;

-- name: take_seats
-- Seats whose rows we hold.
UPDATE seat SET state = 1, hold_id = %(hold_id)s, held_until = %(until)s, change_no = change_no + 1
WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seats)s);

-- name: swap_seats
-- Seats that still are as we saw them; fewer rows than seats mean that somebody was faster.
UPDATE seat SET state = 1, hold_id = %(hold_id)s, held_until = %(until)s, change_no = seat.change_no + 1
FROM unnest(%(seats)s::integer[], %(versions)s::integer[]) AS seen (seat_no, change_no)
WHERE shard_id = %(shard_id)s AND seat.seat_no = seen.seat_no AND seat.change_no = seen.change_no;

-- name: add_hold
-- The answer, kept.
INSERT INTO hold (shard_id, hold_id, person, seats, tiers, expires_at, max_until)
VALUES (%(shard_id)s, %(hold_id)s, %(person)s, %(seats)s, %(tiers)s, %(until)s, %(until)s);
