"""The referee on real tables: a just sale is good, and every single check sees what it is there to see.

A referee who never blows the whistle proves nothing, so each check is shown rows that break it, in a copy of the sale.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg.conninfo
import pytest
from psycopg import sql

from onsale.drop import referee, store
from onsale.drop.store import CHECKS
from onsale.kit import db, migrate
from onsale.kit.embedded import Embedded

pytestmark = pytest.mark.anyio

# This cluster lives for seconds, and what it keeps is made anew each time.
FAST = {"fsync": "off", "shared_buffers": "16MB"}

# A small sale on shard 64: orders 1 to 40 of two seats each (2k and 2k+1) are confirmed, holds 41 to 49 live, and order
# 50 lost its seats after its first card was declined.
SALE = """
INSERT INTO sale VALUES (64, 200, now(), now() + interval '1 h', 300, 8, 8, false);
INSERT INTO seat (shard_id, seat_no, tier) SELECT 64, seat_no, 1 FROM generate_series(0, 199) AS seat_no;
INSERT INTO buyer SELECT 64, md5(k::text)::uuid, 2, '{}' FROM generate_series(1, 40) AS k;
INSERT INTO hold
SELECT 64, k, md5(k::text)::uuid, 5, ARRAY[2 * k, 2 * k + 1], ARRAY[1, 1], now() - interval '1 h', now()
FROM generate_series(1, 40) AS k;
INSERT INTO orders (shard_id, order_id, person, state, email, currency, face_minor, fee_minor, total_minor)
SELECT 64, k, md5(k::text)::uuid, 3, 'fan@example.org', 'EUR', 200, 20, 220 FROM generate_series(1, 40) AS k;
INSERT INTO order_hold SELECT 64, k, 64, k FROM generate_series(1, 40) AS k;
INSERT INTO order_item
SELECT 64, k, 64, 2 * k + j, 1, 100, 10 FROM generate_series(1, 40) AS k, generate_series(0, 1) AS j;
UPDATE seat SET state = 2, order_id = seat_no / 2, change_no = 2 WHERE seat_no BETWEEN 2 AND 81;
INSERT INTO ticket (shard_id, ticket_id, order_shard_id, order_id, person, price_minor, seat_no, tier)
SELECT 64, seat_no, 64, seat_no / 2, md5((seat_no / 2)::text)::uuid, 110, seat_no, 1
FROM generate_series(2, 81) AS seat_no;
INSERT INTO payment (shard_id, order_id, attempt, state, gateway, method, currency, amount_minor)
SELECT 64, k, 1, 4, 'sandbox', 'sandbox_declined', 'EUR', 220 FROM generate_series(5, 40, 5) AS k;
INSERT INTO payment (shard_id, order_id, attempt, state, gateway, method, currency, amount_minor)
SELECT 64, k, 2, 3, 'sandbox', 'sandbox_ok', 'EUR', 220 FROM generate_series(1, 40) AS k;
INSERT INTO buyer SELECT 64, md5(k::text)::uuid, 0, ARRAY[k] FROM generate_series(41, 49) AS k;
INSERT INTO hold
SELECT 64, k, md5(k::text)::uuid, 1, ARRAY[2 * k, 2 * k + 1], ARRAY[1, 1],
       now() + interval '1 h', now() + interval '1 h'
FROM generate_series(41, 49) AS k;
UPDATE seat SET state = 1, hold_id = seat_no / 2, held_until = h.expires_at, change_no = 1
FROM hold AS h WHERE h.hold_id = seat_no / 2 AND h.state = 1;
INSERT INTO orders (shard_id, order_id, person, state, email, currency, face_minor, fee_minor, total_minor)
VALUES (64, 50, md5('50')::uuid, 4, 'late@example.org', 'EUR', 100, 10, 110);
INSERT INTO order_item VALUES (64, 50, 64, 2, 1, 100, 10);
INSERT INTO payment (shard_id, order_id, attempt, state, gateway, method, currency, amount_minor)
VALUES (64, 50, 1, 4, 'sandbox', 'sandbox_declined', 'EUR', 110);
INSERT INTO fact (shard_id, kind, body, at) VALUES (64, 'SaleLaidDown', '{"seats": 200}', now() - interval '1 h');
INSERT INTO fact (shard_id, kind, body)
SELECT 64, 'SeatsHeld', jsonb_build_object('seats', jsonb_build_array(jsonb_build_array(seat_no, 1)))
FROM generate_series(2, 99) AS seat_no;
INSERT INTO fact (shard_id, kind, body)
SELECT 64, 'SeatsSold', jsonb_build_object('seats', jsonb_agg(jsonb_build_array(seat_no, 2)))
FROM generate_series(2, 81) AS seat_no GROUP BY seat_no / 8;
UPDATE seat SET state = 3, change_no = 1 WHERE seat_no = 197;
UPDATE seat SET change_no = 2 WHERE seat_no = 198;
INSERT INTO fact (shard_id, kind, body) VALUES
(64, 'SeatsBlocked', '{"seats": [[197, 1], [198, 1]]}'), (64, 'SeatsReleased', '{"seats": [[198, 2]]}');
INSERT INTO fact (shard_id, kind, body)
SELECT 64, kind, jsonb_build_object('order_id', k)
FROM generate_series(1, 40) AS k, unnest(ARRAY['OrderPaid', 'PaymentCaptured']) AS kind;
"""

PAYMENT = """
INSERT INTO payment (shard_id, order_id, attempt, state, gateway, method, currency, amount_minor)
"""

BROKEN = {
    "seat_with_two_tickets": """
        DROP INDEX ticket_one_valid_per_seat;
        INSERT INTO ticket (shard_id, ticket_id, order_shard_id, order_id, person, price_minor, seat_no, tier)
        SELECT 64, 1, 64, 9, person, 110, 2, 1 FROM orders WHERE order_id = 9""",
    "sold_seat_without_its_ticket": "UPDATE ticket SET state = 3 WHERE seat_no = 2",
    "ticket_without_its_seat": "UPDATE seat SET state = 0, order_id = NULL WHERE seat_no = 2",
    "sold_seat_without_its_order": "UPDATE seat SET state = 2, order_id = 777 WHERE seat_no = 150",
    "seat_in_two_orders": "UPDATE order_item SET seat_no = 2 WHERE order_id = 2 AND seat_no = 4",
    "seat_in_two_holds": """
        INSERT INTO hold SELECT 64, 777, person, 1, seats, tiers, expires_at, max_until FROM hold WHERE hold_id = 41""",
    "held_seat_without_its_hold": "DELETE FROM hold WHERE hold_id = 41",
    "free_seat_of_an_ended_hold": "UPDATE seat SET hold_id = 3 WHERE seat_no = 150",
    "hold_not_whole": "UPDATE seat SET state = 0, held_until = NULL WHERE seat_no = 82",
    "hold_sold_in_part": "UPDATE hold SET seats = ARRAY[4, 5, 150], tiers = ARRAY[1, 1, 1] WHERE hold_id = 2",
    "hold_sold_twice": "DROP INDEX order_hold_one_active; INSERT INTO order_hold VALUES (64, 2, 64, 1)",
    "order_without_its_tickets": "DELETE FROM order_item WHERE order_id = 3",
    "ticket_without_its_order": "UPDATE orders SET state = 5 WHERE order_id = 3",
    "ticket_not_as_ordered": "UPDATE ticket SET price_minor = 109 WHERE seat_no = 2",
    "order_captured_twice": "DROP INDEX payment_one_capture;" + PAYMENT + "VALUES (64, 3, 3, 3, 's', 'm', 'EUR', 220)",
    "order_without_its_payment": "UPDATE payment SET state = 6 WHERE order_id = 3",
    "payment_without_its_tickets": PAYMENT + "VALUES (64, 50, 2, 3, 's', 'm', 'EUR', 110)",
    "payment_ended_but_tickets_valid": "UPDATE payment SET state = 8 WHERE order_id = 3",
    "payment_under_way_too_long": (
        PAYMENT + "VALUES (64, 50, 2, 1, 's', 'm', 'EUR', 110);"
        "UPDATE payment SET created_at = now() - interval '61 s' WHERE state = 1"
    ),
    "payment_of_another_amount": "UPDATE payment SET amount_minor = 219 WHERE order_id = 3",
    "order_total_not_its_items": "UPDATE orders SET face_minor = 199, total_minor = 219 WHERE order_id = 3",
    "buyer_bought_not_their_tickets": "UPDATE buyer SET bought = 3 WHERE person = md5('5')::uuid",
    "buyer_over_the_limit": "UPDATE sale SET seats_per_person = 1",
    "hold_over_the_limit": "UPDATE hold SET seats = ARRAY[82, 83, 82], tiers = ARRAY[1, 1, 1] WHERE hold_id = 41",
    "buyer_with_two_holds": "UPDATE hold SET person = md5('42')::uuid WHERE hold_id = 41",
    "hold_unknown_to_its_buyer": "UPDATE buyer SET holds = '{}' WHERE person = md5('42')::uuid",
    "sale_seats_not_laid_down": "DELETE FROM seat WHERE seat_no = 199",
    "change_not_told": "UPDATE seat SET change_no = 3 WHERE seat_no = 2",
    "order_not_told": """INSERT INTO fact (shard_id, kind, body) VALUES (64, 'OrderPaid', '{"order_id": 7}')""",
}

TELL = "INSERT INTO fact (shard_id, kind, body) VALUES "

# Further faces of faults that have more than one.
OTHER_FACES = [
    ("held_seat_without_its_hold", "UPDATE hold SET state = 2 WHERE hold_id = 41"),
    ("held_seat_without_its_hold", "UPDATE hold SET state = 3 WHERE hold_id = 41"),
    ("held_seat_without_its_hold", "UPDATE hold SET seats = ARRAY[82, 150] WHERE hold_id = 41"),
    ("held_seat_without_its_hold", "UPDATE seat SET held_until = held_until + interval '1 s' WHERE seat_no = 82"),
    ("free_seat_of_an_ended_hold", "UPDATE seat SET hold_id = 41 WHERE seat_no = 150"),
    ("free_seat_of_an_ended_hold", "UPDATE seat SET state = 0, held_until = NULL WHERE seat_no = 82"),
    ("hold_not_whole", "UPDATE seat SET hold_id = 42 WHERE seat_no = 82"),
    ("hold_not_whole", "UPDATE seat SET state = 3, hold_id = NULL, held_until = NULL WHERE seat_no = 82"),
    ("hold_not_whole", "UPDATE seat SET state = 2, hold_id = NULL, held_until = NULL, order_id = 1 WHERE seat_no = 82"),
    ("hold_sold_in_part", "UPDATE seat SET state = 3, order_id = NULL WHERE seat_no = 2"),
    ("ticket_without_its_seat", "UPDATE seat SET state = 3, order_id = NULL WHERE seat_no = 2"),
    ("hold_over_the_limit", "UPDATE sale SET seats_per_hold = 1"),
    ("sale_seats_not_laid_down", "DELETE FROM sale"),
    ("sale_seats_not_laid_down", "UPDATE seat SET seat_no = 200 WHERE seat_no = 199"),
    ("change_not_told", "DELETE FROM fact WHERE kind = 'SeatsBlocked'"),
    ("change_not_told", TELL + """(64, 'SeatsHeld', '{"seats": [[2, 2]]}')"""),
    ("change_not_told", TELL + """(64, 'SeatsHeld', '{"seats": [[150, 1]]}')"""),
    ("change_not_told", "UPDATE seat SET state = 0 WHERE seat_no = 197"),
    ("change_not_told", "UPDATE fact SET kind = 'SeatsHeld' WHERE kind = 'SeatsReleased'"),
    ("change_not_told", "UPDATE seat SET change_no = 3 WHERE seat_no = 150;"
     + TELL + """(64, 'SeatsReleased', '{"seats": [[150, 1], [150, 1], [150, 3]]}')"""),
]  # fmt: skip

# What looks odd and is as it should be.
RUNS_OUT = """
UPDATE hold SET expires_at = now() - interval '1 s' WHERE hold_id = 41;
UPDATE seat SET held_until = h.expires_at FROM hold h WHERE h.hold_id = 41 AND seat.hold_id = 41;
"""
SWEPT = RUNS_OUT + """
UPDATE hold SET state = 2 WHERE hold_id = 41;
UPDATE seat SET state = 0, held_until = NULL, change_no = 2 WHERE hold_id = 41;
""" + TELL + """(64, 'SeatsReleased', '{"seats": [[82, 2], [83, 2]]}');"""  # fmt: skip
TAKEN_OVER = """
INSERT INTO hold
SELECT shard_id, 60, md5('60')::uuid, 1, ARRAY[83], ARRAY[1], now() + interval '1 h', now() + interval '2 h'
FROM hold WHERE hold_id = 42;
INSERT INTO buyer SELECT 64, md5('60')::uuid, 0, ARRAY[60];
UPDATE seat SET state = 1, hold_id = 60, held_until = h.expires_at, change_no = change_no + 1
FROM hold h WHERE h.hold_id = 60 AND seat_no = 83;
"""
JUST = {
    "a hold past its deadline that nobody has swept": RUNS_OUT,
    "a hold that ran out and keeps its trace": SWEPT,
    "a hold that ran out, one seat taken over before the sweep": (
        RUNS_OUT + TAKEN_OVER + TELL + """(64, 'SeatsHeld', '{"seats": [[83, 2]]}')"""
    ),
    "a hold that ran out, one seat taken over after the sweep": (
        SWEPT + TAKEN_OVER + TELL + """(64, 'SeatsHeld', '{"seats": [[83, 3]]}')"""
    ),
    "a hold that ran out, one seat blocked": (
        SWEPT + "UPDATE seat SET state = 3, hold_id = NULL, change_no = 3 WHERE seat_no = 83;"
        + TELL + """(64, 'SeatsBlocked', '{"seats": [[83, 3]]}')"""
    ),
    "the trace of a hold that was forgotten": SWEPT + "DELETE FROM hold WHERE hold_id = 41",
    "holds of sold orders that were forgotten": "DELETE FROM hold WHERE state = 5",
}  # fmt: skip


def _execute(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


@pytest.fixture(scope="module")
def sale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database with the small sale in it."""
    folder: Path = tmp_path_factory.mktemp("referee")
    with Embedded.start(folder, valkey=False, settings=FAST) as servers:
        url = servers.addresses.database_url
        migrate.migrate(url)
        _execute(url, SALE)
        yield url


@pytest.fixture
def copy(sale: str) -> Iterator[str]:
    """A copy of the sale that may be broken."""
    with psycopg.connect(sale) as connection:
        name = connection.info.dbname
    elsewhere = psycopg.conninfo.make_conninfo(sale, dbname="template1")
    making = sql.SQL("CREATE DATABASE broken TEMPLATE {}").format(sql.Identifier(name))
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(making)
        yield psycopg.conninfo.make_conninfo(sale, dbname="broken")
        connection.execute("DROP DATABASE broken WITH (FORCE)")


async def test_a_just_sale_is_good(sale):
    verdict = await referee(sale)
    assert verdict.good, verdict.broken
    assert [check.name for check in verdict.checks] == list(CHECKS)
    assert all(check.invariant.startswith("Invariant") for check in verdict.checks)
    assert verdict.looked_at == {"seats": 200, "holds": 49, "orders": 41, "payments": 49, "tickets": 80}
    assert not verdict.book_compared


@pytest.mark.parametrize("name", CHECKS)
async def test_every_check_sees_what_it_is_there_to_see(copy, name):
    _execute(copy, BROKEN[name])
    verdict = await referee(copy)
    found = {check.name: check for check in verdict.broken}
    assert not verdict.good
    assert name in found
    assert found[name].examples
    assert name in list(verdict.table().columns[0].cells)


@pytest.mark.parametrize(("name", "fault"), OTHER_FACES)
async def test_a_fault_is_seen_whatever_face_it_has(copy, name, fault):
    _execute(copy, fault)
    verdict = await referee(copy)
    assert name in {check.name for check in verdict.broken}


@pytest.mark.parametrize("what", JUST)
async def test_what_only_looks_odd_is_good(copy, what):
    _execute(copy, JUST[what])
    verdict = await referee(copy)
    assert verdict.good, verdict.broken


async def test_the_referee_cannot_write(sale):
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        async with store.eyes(sale) as eyes, eyes.moment():
            await eyes._connection.execute("DELETE FROM seat")


async def test_a_database_that_is_away_is_said_so(tmp_path):
    with pytest.raises(db.DatabaseAway):
        await referee(f"postgresql:///onsale?host={tmp_path}")
