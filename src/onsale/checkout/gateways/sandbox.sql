-- The sandbox's book: its own SQLite file, opened by one process at a time.

-- name: settings
-- EXCLUSIVE: a second process on the same book fails at once. FULL: what was answered outlives a power cut,
-- which a real gateway's money does; sharing the commit is what pays for it.
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;

-- name: schema
CREATE TABLE IF NOT EXISTS charge (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    intent TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    captured INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    created INTEGER NOT NULL,
    -- Money is taken whole or not at all, only where it was authorised, and never goes back twice.
    CHECK (captured = CASE status WHEN 'succeeded' THEN amount ELSE 0 END),
    CHECK (refunded BETWEEN 0 AND captured)
);
-- Not unique by attempt: a gateway charges whatever it is asked to. That we ask once is for us to see to, and for the
-- referee, who reads this book, to check.
CREATE INDEX IF NOT EXISTS charge_order ON charge (order_id);
-- One row for each key: the same key can never be answered twice in different ways.
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY,
    request_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- name: add_charge
-- The intent is ours and new; the table refuses one that is not.
INSERT INTO charge (
    intent, order_id, attempt, amount, currency, method, description, status, captured, refunded, created
) VALUES (
    :intent, :order_id, :attempt, :amount, :currency, :method, :description, :status, :captured, :refunded, :created
);

-- name: change_charge
-- What was bought never changes; only what became of the money does.
UPDATE charge SET status = :status, captured = :captured, refunded = :refunded WHERE intent = :intent;

-- name: charge
-- Columns in the order of the fields of Charge.
SELECT intent, order_id, attempt, amount, currency, method, description, status, captured, refunded, created
FROM charge WHERE intent = :intent;

-- name: charges_of_order
-- Oldest first, in the order of the fields of Charge; bounded, since a gateway does not limit attempts for us.
SELECT intent, order_id, attempt, amount, currency, method, description, status, captured, refunded, created
FROM charge WHERE order_id = :order_id ORDER BY seq LIMIT :rows;

-- name: page
-- By seq, not by offset: a page stays where it was while payments go on.
SELECT seq, intent AS ref, order_id AS "order", attempt, amount, currency, method, status AS state, captured, refunded
FROM charge WHERE seq > :after ORDER BY seq LIMIT :rows;

-- name: answer
-- Read first for every request that carries a key, in the transaction that would write its answer.
SELECT request_hash, status, body FROM answer WHERE key = :key;

-- name: keep_answer
-- In the transaction of what it tells of, so that neither is ever there without the other.
INSERT INTO answer (key, request_hash, status, body) VALUES (:key, :request_hash, :status, :body);
