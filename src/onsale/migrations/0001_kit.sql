-- What every room stands on: facts, answers kept for repeated requests, the development mailbox.

-- Something that happened, written in the transaction that made it true. `xid` lets followers read in commit order.
CREATE TABLE fact (
    fact_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT statement_timestamp(),
    kind text NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX fact_in_commit_order ON fact (xid, fact_id);
CREATE INDEX fact_at ON fact (at);

-- The primary key makes a repeated request wait for the first, then find its answer: nothing happens twice.
CREATE TABLE idempotency (
    scope text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status integer,
    answer bytea,
    at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE mailbox (
    mail_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT statement_timestamp(),
    recipient text NOT NULL,
    subject text NOT NULL,
    body_text text NOT NULL,
    body_html text NOT NULL,
    attachments jsonb NOT NULL
);
