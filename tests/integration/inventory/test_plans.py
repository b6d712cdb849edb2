"""Plans: each statement that locks, writes or looks at a hold reaches its rows by key, however small the tables were.

A plan is kept per connection. One that reads a small table whole would read it whole when an on-sale has filled it.
"""

import re
import time
import uuid
from datetime import UTC, datetime

import psycopg
import pytest
from tests.integration.inventory.opening import open_shop

from onsale.catalog import generate_chart
from onsale.inventory.store import SQL
from onsale.kit import db

pytestmark = pytest.mark.anyio

STATEMENTS = (
    *("lock_askers", "lock_seats_to_take", "lock_holds_of_askers", "lock_buyers", "lock_buyers_of_holds"),
    *("lock_seats_of_holds", "lock_holds", "lock_sold_seats", "lock_seats"),
    *("write_seats", "write_holds", "write_buyers"),
    *("read_hold", "holds_of_person", "holds_past_deadline", "forget_ended_holds", "seats_as_they_are"),
)
SMALL, LARGE = 64, 128
LAY_DOWN_MAX_S = 5.0
NOW = datetime.now(UTC)
PERSONS = [uuid.UUID(int=number) for number in range(3)]
IDS = [2**62 + number for number in range(3)]
GIVEN = {
    "now": None,
    "person": PERSONS[0],
    "persons": PERSONS,
    "wanted": [70_001, 70_002, 70_003],
    **{key: [1, 2] for key in ("first_persons", "first_seats")},
    **{key: [1, 3] for key in ("last_persons", "last_seats")},
    "seat_nos": [70_001, 70_002, 70_003],
    "hold_id": IDS[0],
    "hold_ids": IDS,
    "order_id": IDS[0],
    "order_ids": [None] * 3,
    "states": [1] * 3,
    "untils": [1] * 3,
    "expiries": [1] * 3,
    "moments": [NOW],
    "bought": [0] * 3,
    "holds": ["{}"] * 3,
    "rows_max": 500,
    "kept_s": 3600.0,
}
# Indexes that name everybody's holds, each with the one statement that is to read it.
READ_ALONG = {"hold_running_out": "holds_past_deadline", "hold_ended": "forget_ended_holds"}
FILL = """
INSERT INTO sale VALUES ({shard}, {seats}, now(), now() + '1d', 300, 8, 8, false);
INSERT INTO seat (shard_id, seat_no, tier) SELECT {shard}, n, 1 FROM generate_series(0, {seats} - 1) n;
INSERT INTO buyer (shard_id, person, holds)
SELECT {shard}, gen_random_uuid(), ARRAY[n::bigint << 40] FROM generate_series(1, {holds}) n;
INSERT INTO hold (shard_id, hold_id, person, seats, tiers, expires_at, max_until)
SELECT shard_id, holds[1], person, ARRAY[1, 2], ARRAY[1, 1], now() + '5m', now() + '10m' FROM buyer
WHERE shard_id = {shard};
"""


def explain(connection, name, shard_id):
    """The plan that a prepared statement of the product would have on this connection."""
    given = {"shard_id": shard_id, "shard_ids": [shard_id, SMALL]} | GIVEN
    order: list[str] = []

    def numbered(match):
        if match[1] not in order:
            order.append(match[1])
        return f"${order.index(match[1]) + 1}"

    text = re.sub(r"--[^\n]*", "", SQL.texts[name])
    connection.execute("PREPARE asked AS " + re.sub(r"%\((\w+)\)s", numbered, text))
    values = psycopg.ClientCursor(connection).mogrify(", ".join(["%s"] * len(order)), [given[key] for key in order])
    rows = connection.execute(f"EXPLAIN (COSTS OFF) EXECUTE asked ({values})").fetchall()
    connection.execute("DEALLOCATE asked")
    return "\n".join(row[0] for row in rows)


def faults(name, plan):
    """Tables read whole, or by an index as long as they are; and the one index meant for a statement left unused."""
    found = [line for line in plan.splitlines() if re.search(r"Seq Scan on (seat|hold|buyer)\b", line)]
    found += [line for line in plan.splitlines() if re.search(r"Index Cond: \(shard_id = [^()]*\)$", line)]
    for index, reader in READ_ALONG.items():
        found += [line for line in plan.splitlines() if index in line and name != reader]
        found += [f"without {index}"] * (name == reader and index not in plan)
    return [f"{name}: {line.strip()}" for line in found]


def plans(connection, shard_id):
    cached = connection.info.server_version >= db.ARRAYS_ALWAYS_IN_INDEX_SINCE
    for mode in ("force_generic_plan", "force_custom_plan") if cached else ("force_custom_plan",):
        connection.execute(f"SET plan_cache_mode = {mode}")
        for name in STATEMENTS:
            yield name, explain(connection, name, shard_id)


def found_in(connection, shard_id):
    return [fault for name, plan in plans(connection, shard_id) for fault in faults(name, plan)]


@pytest.fixture
def connection(database_url):
    """As the pools make them, but for psycopg's own preparing, which would get in the way of ours."""
    with psycopg.connect(database_url, autocommit=True, options=db.options(), prepare_threshold=None) as connection:
        yield connection


def test_rows_are_reached_by_key_in_small_and_in_grown_tables(connection):
    """Before and after the statistics know of the rows, and of tables that statistics say are empty."""
    stages = (
        ("no rows", "SELECT 1"),
        ("known to be empty", "ANALYZE"),
        ("60 seats", FILL.format(shard=SMALL, seats=60, holds=10)),
        ("60 seats, analyzed", "ANALYZE"),
        ("100,000 seats", FILL.format(shard=LARGE, seats=100_000, holds=20_000)),
        ("100,000 seats, analyzed", "ANALYZE"),
    )
    for stage, prepare in stages:
        connection.execute(prepare)
        # Before 17, plans are made each time, and are good where it matters: large, and known to the statistics.
        old = connection.info.server_version < db.ARRAYS_ALWAYS_IN_INDEX_SINCE
        for shard_id in (LARGE,) * (stage == stages[-1][0]) if old else (SMALL, LARGE):
            found = found_in(connection, shard_id)
            assert not found, f"{stage}, shard {shard_id}:\n" + "\n".join(found)


def test_without_the_writers_option_small_tables_are_read_whole(connection):
    """Negative control: `enable_seqscan=off` is what keeps the plans, and `faults` sees a bad one."""
    connection.execute("SET enable_seqscan = on")
    connection.execute(FILL.format(shard=SMALL, seats=60, holds=10))
    connection.execute("ANALYZE")
    bad = {fault.split(":")[0] for fault in found_in(connection, SMALL)}
    assert {"lock_buyers", "lock_holds", "write_holds", "write_buyers", "lock_seats_to_take"} <= bad
    assert faults("x", "Index Cond: (shard_id = $1)") and faults("x", "Index Cond: (shard_id = '64'::bigint)")
    assert not faults("x", "Index Cond: ((shard_id = $1) AND (hold_id = ANY ($2)))")


async def test_a_hundred_thousand_seats_are_laid_down_in_five_seconds(database, database_url):
    """design.md section 9, with what comes before it and after it: chart, event, counts for the catalogue."""
    chart = generate_chart("stadium", 100_000, "The Bowl")
    started_s = time.monotonic()
    shop = await open_shop(database, database_url, chart)
    opened_s = time.monotonic() - started_s
    await shop.rows("DELETE FROM sale RETURNING 1")
    await shop.rows("WITH gone AS (DELETE FROM seat RETURNING 1) SELECT count(*) FROM gone")
    event = await shop.catalog.event(shop.event_id)
    layout = await shop.catalog.layout(event)
    started_s = time.monotonic()
    async with database.transaction() as tx:
        assert await shop.inventory.lay_down(tx, event, layout) == 100_000
    laid_s = time.monotonic() - started_s
    print(f"100,000 seats: laid down in {laid_s:.2f} s; with chart, event and counts {opened_s:.2f} s")
    assert laid_s < LAY_DOWN_MAX_S
    assert sum((await shop.inventory.count_free(shop.event_id)).values()) == 100_000
