-- Accounts, their one-time codes and the sessions that were ended. `now` is NULL in production, which means the
-- database's own clock.

-- name: write_code
-- A new code takes the place of an older one and of its tries; how many may be asked for is bounded before this.
INSERT INTO sign_in_code (email, code_hash, expires_at)
VALUES (%(email)s, %(code_hash)s,
        coalesce(%(now)s::timestamptz, statement_timestamp()) + make_interval(secs => %(ttl_s)s))
ON CONFLICT (email) DO UPDATE SET code_hash = excluded.code_hash, expires_at = excluded.expires_at, tries = 0;

-- name: lock_code
-- Tries are counted one after the other: of a thousand guesses at once, as many count as of a thousand in turn.
SELECT code_hash, expires_at, tries, coalesce(%(now)s::timestamptz, statement_timestamp())
FROM sign_in_code
WHERE email = %(email)s
FOR UPDATE;

-- name: count_try
-- Under the lock of lock_code.
UPDATE sign_in_code SET tries = tries + 1 WHERE email = %(email)s;

-- name: drop_code
-- A code lets in once: under the lock of lock_code, in the transaction of the sign-in.
DELETE FROM sign_in_code WHERE email = %(email)s;

-- name: forget_codes
-- Codes that nobody used are of no use to anybody.
DELETE FROM sign_in_code WHERE expires_at < coalesce(%(now)s::timestamptz, statement_timestamp());

-- name: add_account
-- Adds nothing when the address has an account, or when the person (a guest until now) already became another one.
INSERT INTO account (person, email) VALUES (%(person)s, %(email)s) ON CONFLICT DO NOTHING;

-- name: account_by_email
-- The one account of an address.
SELECT person, email, name, roles, created_at FROM account WHERE email = %(email)s;

-- name: account_of_person
-- Guests have none.
SELECT person, email, name, roles, created_at FROM account WHERE person = %(person)s;

-- name: add_role
-- Adding a role that is there changes nothing.
UPDATE account SET roles = array_append(array_remove(roles, %(role)s), %(role)s) WHERE email = %(email)s
RETURNING person, email, name, roles, created_at;

-- name: remove_role
-- Taking away a role that is not there changes nothing.
UPDATE account SET roles = array_remove(roles, %(role)s) WHERE email = %(email)s
RETURNING person, email, name, roles, created_at;

-- name: revoke_session
-- Ending a session twice changes nothing; the first time counts.
INSERT INTO revoked_session (session_id) VALUES (%(session_id)s) ON CONFLICT DO NOTHING;

-- name: revoked_after
-- One page in the order of time, read on from the last row of the page before.
SELECT session_id, revoked_at
FROM revoked_session
WHERE (revoked_at, session_id) > (%(revoked_at)s, %(session_id)s)
ORDER BY revoked_at, session_id
LIMIT %(rows_max)s;

-- name: forget_revocations
-- By now the sessions have run out by themselves.
DELETE FROM revoked_session
WHERE revoked_at < coalesce(%(now)s::timestamptz, statement_timestamp()) - make_interval(secs => %(kept_s)s);
