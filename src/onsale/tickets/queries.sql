-- Tickets, written and read in whole batches.

-- name: issue
-- In the transaction that sells the seats. The unique index on valid tickets per seat is the last line of defence.
INSERT INTO ticket (shard_id, ticket_id, order_shard_id, order_id, person, seat_no, tier, price_minor)
SELECT %(shard_id)s, new.*
FROM unnest(%(ticket_ids)s::bigint[], %(order_shard_ids)s::bigint[], %(order_ids)s::bigint[], %(persons)s::uuid[],
            %(seat_nos)s::integer[], %(tiers)s::smallint[], %(prices)s::bigint[]) AS new
RETURNING true;

-- name: of_orders
-- In seat order, as a person expects to read them.
SELECT shard_id, ticket_id, order_shard_id, order_id, person, seat_no, tier, price_minor, state, code_version, issued_at
FROM ticket
WHERE shard_id = %(shard_id)s AND order_id = ANY (%(order_ids)s)
ORDER BY order_id, seat_no;

-- name: read
-- One ticket is looked at by its holder, or scanned; it is found by its key alone.
SELECT shard_id, ticket_id, order_shard_id, order_id, person, seat_no, tier, price_minor, state, code_version, issued_at
FROM ticket
WHERE shard_id = %(shard_id)s AND ticket_id = %(ticket_id)s;

-- name: void_orders
-- The money did not come after all: the tickets die, and their seats can be sold again.
UPDATE ticket SET state = 3
WHERE shard_id = %(shard_id)s AND order_id = ANY (%(order_ids)s) AND state = 1
RETURNING seat_no;
