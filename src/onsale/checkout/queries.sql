-- Orders and payments. Every change of a payment's state is one conditional statement: it happens from one state only,
-- so two drivers of the same payment cannot both take a step.

-- name: claim_holds
-- The unique index on active holds makes a second order for the same seats wait here, then claim nothing.
INSERT INTO order_hold (shard_id, order_id, hold_shard_id, hold_id)
SELECT %(shard_id)s, %(order_id)s, hold_shard_id, hold_id
FROM unnest(%(hold_shard_ids)s::bigint[], %(hold_ids)s::bigint[]) AS claimed (hold_shard_id, hold_id)
ORDER BY hold_shard_id, hold_id
ON CONFLICT DO NOTHING
RETURNING true;

-- name: order_of_hold
-- The one active order of a hold.
SELECT order_id FROM order_hold
WHERE shard_id = %(shard_id)s AND hold_shard_id = %(hold_shard_id)s AND hold_id = %(hold_id)s AND active;

-- name: lock_key
-- Of two requests with one Idempotency-Key the second waits, and then finds what the first made; the unique index alone
-- would let through two whose bodies differ. A statement of its own: the look that follows must see the first's commit.
SELECT pg_advisory_xact_lock(hashtextextended(encode(%(key_half)s::bytea, 'hex') || %(person)s::uuid, %(shard_id)s));

-- name: order_of_key
-- What an earlier request with the same Idempotency-Key made; the first half of the hash is the key's.
SELECT order_id, key_hash FROM orders
WHERE shard_id = %(shard_id)s AND person = %(person)s AND substr(key_hash, 1, 16) = %(key_half)s;

-- name: write_order
-- The order stands before any money moves.
INSERT INTO orders (shard_id, order_id, person, email, phone, currency, face_minor, fee_minor, total_minor, key_hash)
VALUES (%(shard_id)s, %(order_id)s, %(person)s, %(email)s, %(phone)s, %(currency)s, %(face_minor)s, %(fee_minor)s,
        %(total_minor)s, %(key_hash)s);

-- name: write_items
-- What each seat costs, fixed when the order is made.
INSERT INTO order_item (shard_id, order_id, seat_shard_id, seat_no, tier, face_minor, fee_minor)
SELECT %(shard_id)s, %(order_id)s, item.*
FROM unnest(%(seat_shard_ids)s::bigint[], %(seat_nos)s::integer[], %(tiers)s::smallint[], %(faces)s::bigint[],
            %(fees)s::bigint[]) AS item;

-- name: write_contact
-- The same seats ordered again with another address: the person corrected a typing error.
UPDATE orders SET email = %(email)s, phone = %(phone)s
WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s AND state = 1;

-- name: read_order
-- One order, with its holds and items as arrays.
SELECT orders.shard_id, orders.order_id, person, state, email, phone, currency, face_minor, fee_minor, total_minor,
       created_at,
       ARRAY(SELECT hold_shard_id FROM order_hold AS h WHERE h.shard_id = orders.shard_id AND h.order_id = orders.order_id
             ORDER BY hold_shard_id, hold_id),
       ARRAY(SELECT hold_id FROM order_hold AS h WHERE h.shard_id = orders.shard_id AND h.order_id = orders.order_id
             ORDER BY hold_shard_id, hold_id)
FROM orders
WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s;

-- name: lock_order
-- First lock of every payment step, before buyers, seats and holds.
SELECT true FROM orders WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s FOR UPDATE;

-- name: see_one_moment
-- A payment may go through while its order is being read: order, payments and holds must be of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: read_items
-- In seat order.
SELECT seat_shard_id, seat_no, tier, face_minor, fee_minor
FROM order_item
WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s
ORDER BY seat_shard_id, seat_no;

-- name: read_payments
-- All attempts, first to last.
SELECT shard_id, order_id, attempt, state, gateway, method, currency, amount_minor, gateway_ref, decline_code
FROM payment
WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s
ORDER BY attempt;

-- name: start_payment
-- Written before the gateway is called. A partial unique index lets one attempt at a time be under way.
INSERT INTO payment (shard_id, order_id, attempt, gateway, method, currency, amount_minor)
VALUES (%(shard_id)s, %(order_id)s, %(attempt)s, %(gateway)s, %(method)s, %(currency)s, %(amount_minor)s);

-- name: step_payment
-- From one state only. No row comes back when somebody else took the step.
UPDATE payment
SET state = %(to_state)s, gateway_ref = coalesce(%(gateway_ref)s, gateway_ref),
    decline_code = coalesce(%(decline_code)s, decline_code), updated_at = statement_timestamp()
WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s AND attempt = %(attempt)s AND state = %(from_state)s
RETURNING true;

-- name: step_order
-- From one state only, like a payment.
UPDATE orders SET state = %(to_state)s
WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s AND state = %(from_state)s
RETURNING true;

-- name: free_holds
-- The order has ended without tickets: its holds may be ordered anew, where they still live.
UPDATE order_hold SET active = false WHERE shard_id = %(shard_id)s AND order_id = %(order_id)s;

-- name: unfinished_payments
-- What the reconciler drives on: payments that have stood still for a while. Touching them spaces the tries, and
-- SKIP LOCKED lets many workers share the work.
UPDATE payment SET updated_at = statement_timestamp()
WHERE (shard_id, order_id, attempt) IN (
    SELECT shard_id, order_id, attempt FROM payment
    WHERE state IN (1, 2, 5, 7) AND updated_at < statement_timestamp() - make_interval(secs => %(after_s)s)
    ORDER BY updated_at LIMIT %(rows_max)s FOR UPDATE SKIP LOCKED)
RETURNING shard_id, order_id, attempt;
