-- The kit's own SQL: facts, answers kept for repeated requests, the development mailbox, migrations.

-- name: plan_each_time
-- Before PostgreSQL 17, a plan made while a table is empty looks rows up by their shard alone, and is kept. Planning anew
-- each time costs some tens of microseconds, and sees how large the table is now.
SET plan_cache_mode = force_custom_plan;

-- name: plan_once
-- Statements of batches look rows up by key in any plan (tests/integration/inventory/test_plans.py). Left to choose, PostgreSQL
-- would plan many of them anew each time, which costs a small batch more than running it.
SET plan_cache_mode = force_generic_plan;

-- name: wait_briefly
-- A transaction of several shards gives up early on the lock of one, for the sake of the others.
SELECT set_config('lock_timeout', %(milliseconds)s, true);

-- name: begin
-- A pipelined transaction begins and ends with statements like any other, so that they travel with their neighbours.
BEGIN;

-- name: commit
-- In a transaction that has failed this is never reached: a pipeline skips what follows an error.
COMMIT;

-- name: record_facts
-- One row per batch of changes, in the transaction of the change, so that a fact exists exactly when it is true.
INSERT INTO fact (shard_id, kind, body)
SELECT * FROM unnest(%(shard_ids)s::bigint[], %(kinds)s::text[], %(bodies)s::jsonb[]);

-- name: follow_facts
-- Ids commit out of order, so "greater than the last id" would lose facts. A row is read once its transaction lies below
-- every one still running; (xid, fact_id) then only grows.
-- The horizon comes with every row, and alone where there is none: up to it, everything wanted has been read.
-- So does the id above all that have ended so far: when a later horizon has passed it, their facts have been read.
SELECT horizon.xid::text::bigint, found.fact_id, found.xid::text::bigint, found.kind, found.body,
       horizon.ahead::text::bigint
FROM (SELECT pg_snapshot_xmin(seen) AS xid, pg_snapshot_xmax(seen) AS ahead
      FROM pg_current_snapshot() AS seen) AS horizon
LEFT JOIN LATERAL (
    SELECT fact_id, xid, kind, body
    FROM fact
    WHERE (fact.xid, fact_id) > (%(xid)s::text::xid8, %(fact_id)s) AND fact.xid < horizon.xid AND kind = ANY (%(kinds)s)
    ORDER BY fact.xid, fact_id
    LIMIT %(rows_max)s) AS found ON true
ORDER BY found.xid, found.fact_id;

-- name: facts_beginning
-- Where a follower begins: with the oldest fact of the last seconds it asks for, else with what has not ended yet.
SELECT coalesce(
    (SELECT min(xid::text::bigint) FROM fact WHERE at > statement_timestamp() - make_interval(secs => %(again_s)s)),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint);

-- name: forget_facts
-- Facts are history that nobody needs for ever; the bound is in limits.py.
DELETE FROM fact WHERE fact_id IN (
    SELECT fact_id FROM fact WHERE at < statement_timestamp() - make_interval(secs => %(kept_s)s)
    ORDER BY at LIMIT %(rows_max)s)
RETURNING true;

-- name: claim_answer
-- The first request with this key inserts the row and holds its lock until its effect commits; a concurrent duplicate
-- waits here for it, then finds the answer. Inserting nothing means that a row is there.
INSERT INTO idempotency (scope, key, body_hash) VALUES (%(scope)s, %(key)s, %(body_hash)s)
ON CONFLICT (scope, key) DO NOTHING
RETURNING true;

-- name: stored_answer
-- The answer somebody committed under this key.
SELECT body_hash, status, answer FROM idempotency WHERE scope = %(scope)s AND key = %(key)s;

-- name: keep_answer
-- In the transaction of the effect: the effect and its answer are both there, or neither is.
UPDATE idempotency SET status = %(status)s, answer = %(answer)s WHERE scope = %(scope)s AND key = %(key)s;

-- name: take_answer_back
-- For an effect that goes on after the commit (a mail) and failed there.
DELETE FROM idempotency WHERE scope = %(scope)s AND key = %(key)s;

-- name: forget_answers
-- Keys are honoured for a day; the bound is in limits.py.
DELETE FROM idempotency WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency WHERE at < statement_timestamp() - make_interval(secs => %(kept_s)s)
    ORDER BY at LIMIT %(rows_max)s)
RETURNING true;

-- name: put_mail
-- The development mailbox stands in for a mail server until ONSALE_SMTP_URL is set.
INSERT INTO mailbox (recipient, subject, body_text, body_html, attachments)
VALUES (%(recipient)s, %(subject)s, %(body_text)s, %(body_html)s, %(attachments)s);

-- name: trim_mailbox
-- The mailbox is for looking at the last mails, not for keeping them.
DELETE FROM mailbox WHERE mail_id <= (SELECT max(mail_id) FROM mailbox) - %(rows_max)s;

-- name: list_mails
-- Newest first, as a mail program shows them.
SELECT mail_id, recipient, subject, at FROM mailbox ORDER BY mail_id DESC LIMIT %(rows_max)s;

-- name: read_mail
-- One mail, whole.
SELECT mail_id, recipient, subject, at, body_text, body_html, attachments FROM mailbox WHERE mail_id = %(mail_id)s;

-- name: create_migrations
-- Which migrations this database has had, and what they said, so that an edited one is noticed.
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- name: migrations_known
-- Whether this database has ever been migrated: the table's name, or NULL.
SELECT to_regclass('schema_migration')::text;

-- name: lock_migrations
-- Two processes that start together migrate one after the other.
SELECT pg_advisory_lock(7203114);

-- name: unlock_migrations
-- The lock belongs to the connection, not to a transaction, since each migration commits by itself.
SELECT pg_advisory_unlock(7203114);

-- name: applied_migrations
-- Name and hash of each migration this database has had.
SELECT name, sha256 FROM schema_migration ORDER BY name;

-- name: note_migration
-- In the transaction of the migration itself.
INSERT INTO schema_migration (name, sha256) VALUES (%(name)s, %(sha256)s);

-- name: connections_max
-- Connections that everybody but a superuser may have open together.
SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer;
