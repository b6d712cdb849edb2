-- Lines: the only SQL that touches them.

-- name: open_line
-- An event gets a line once; opening it again changes nothing.
INSERT INTO line (shard_id) VALUES (%(shard_id)s) ON CONFLICT DO NOTHING;

-- name: read_line
-- As it was committed last. Redis knows more, and may have forgotten it.
SELECT epoch, ceiling, handed_after, handed, serving, given FROM line WHERE shard_id = %(shard_id)s;

-- name: begin_alone
-- Who begins an epoch is alone until Redis has it, which is after the commit: so it is no lock of the row.
SELECT pg_advisory_xact_lock(%(shard_id)s);

-- name: lock_line
-- Numbers are not raised meanwhile.
SELECT epoch, ceiling, handed_after, handed, serving, given FROM line WHERE shard_id = %(shard_id)s FOR UPDATE;

-- name: begin_epoch
-- What the epoch before was handed is never given again, given or not.
UPDATE line
SET epoch = epoch + 1, handed_after = ceiling, handed = ceiling + %(block)s, ceiling = ceiling + %(block)s
WHERE shard_id = %(shard_id)s
RETURNING epoch, ceiling, handed_after, handed, serving, given;

-- name: note_given
-- Told about once a second, so that little is unknown when Redis is lost.
UPDATE line SET given = greatest(given, %(given)s) WHERE shard_id = %(shard_id)s AND epoch = %(epoch)s;

-- name: leave_out
-- The numbers an epoch had been handed when it ended. Told again, nothing changes.
INSERT INTO line_gap (shard_id, after, until) VALUES (%(shard_id)s, %(after)s, %(until)s) ON CONFLICT DO NOTHING;

-- name: raise_ceiling
-- Only for who knows the latest ceiling: everybody else is told what was handed out to the first of them.
UPDATE line
SET handed_after = CASE handed WHEN %(known)s THEN ceiling ELSE handed_after END,
    handed = CASE handed WHEN %(known)s THEN ceiling + %(block)s ELSE handed END,
    ceiling = CASE handed WHEN %(known)s THEN ceiling + %(block)s ELSE ceiling END
WHERE shard_id = %(shard_id)s AND epoch = %(epoch)s
RETURNING epoch, ceiling, handed_after, handed, serving, given;

-- name: reserve_numbers
-- Numbers for one process that cannot reach Redis: nobody else will give them.
UPDATE line SET ceiling = ceiling + %(block)s WHERE shard_id = %(shard_id)s
RETURNING epoch, ceiling, handed_after, handed, serving, given;

-- name: gaps
-- All that is left out, in order.
SELECT after, until FROM line_gap WHERE shard_id = %(shard_id)s ORDER BY after;
