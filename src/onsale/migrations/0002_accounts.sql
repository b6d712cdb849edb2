-- Persons who told us their e-mail address, their one-time codes and their sessions.

-- `person` is the PersonKey that places, holds and orders carry; a guest has one too, but no row here.
CREATE TABLE account (
    person uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL DEFAULT '',
    roles text[] NOT NULL DEFAULT '{fan}',
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    -- Written by `normal_email` and nobody else: two spellings of one address would be two persons.
    CONSTRAINT account_email_is_normal CHECK (email = lower(email) AND octet_length(email) <= 254),
    CONSTRAINT account_roles_known CHECK (roles <@ '{fan,organiser,operator}')
);
-- One account per address: two people signing in at once with one address are one person.
CREATE UNIQUE INDEX account_one_per_email ON account (email);

-- One live code per address; only its keyed hash is stored, so that reading this table lets nobody in.
CREATE TABLE sign_in_code (
    email text PRIMARY KEY,
    code_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0
);
-- For throwing away what nobody used.
CREATE INDEX sign_in_code_expires_at ON sign_in_code (expires_at);

-- Sessions are checked locally by signature; this is the list of those that ended before their time.
CREATE TABLE revoked_session (
    session_id uuid PRIMARY KEY,
    revoked_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
-- Every process reads on from what it has seen, page by page; the worker throws away the oldest.
CREATE INDEX revoked_session_in_order ON revoked_session (revoked_at, session_id);
