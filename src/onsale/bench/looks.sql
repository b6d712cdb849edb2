-- What benches look at, in the tables of a house that was made for them.

-- name: durability
-- A commit that does not wait for the disk proves nothing.
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes') ORDER BY name;

-- name: touch_one_row
-- The barest commit there is: one row, one transaction.
UPDATE sale SET stopped = stopped WHERE shard_id = %(shard_id)s;

-- name: sizes
-- Bytes of each hot table with its indexes.
SELECT relname, pg_total_relation_size(oid)
FROM pg_class WHERE relname IN ('seat', 'buyer', 'hold') AND relkind = 'r' ORDER BY relname;

-- name: held_seats
-- Seats that somebody has, of one event.
SELECT count(*) FROM seat WHERE shard_id = %(shard_id)s AND state <> 0;

-- name: vacuum_at_work
-- Whether PostgreSQL is looking after tables of its own accord.
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker';
