"""A batch of holds that fails: each ask is answered rightly, and the tables say the same as the answers."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.integration.inventory.shop import in_one_process

from onsale.inventory import HoldView
from onsale.inventory.errors import SeatsTaken
from onsale.inventory.model import Ask, decide_holds
from onsale.inventory.take import Taker
from onsale.kit.db import Contended, Database, DatabaseAway
from onsale.kit.ids import new_id, new_person
from onsale.kit.problems import Overloaded

pytestmark = pytest.mark.anyio

ANN, BOB, CAT = new_person(), new_person(), new_person()


class Watched(Taker):
    """A taker that writes down what each of its transactions came to, and for how many asks."""

    def __init__(self, shop):
        super().__init__(shop.database, shop.inventory.changes)
        self.runs = []

    async def take_batches(self, asks, now=None):
        count = sum(map(len, asks.values()))
        try:
            answers = await super().take_batches(asks, now)
        except Exception as error:
            self.runs.append((count, type(error)))
            raise
        self.runs.append((count, None))
        return answers


def asking(shop, taker, *asks):
    """Asks that travel in one batch: all stand in the queue before it is formed."""
    return asyncio.gather(*(taker.take(shop.shard_id, ask) for ask in asks), return_exceptions=True)


def kinds(answers):
    return [type(answer) for answer in answers]


async def written(shop, *seats):
    """How often each seat was written since it was laid down."""
    change_nos = await shop.change_nos()
    return [change_nos[seat_no] for seat_no in seats]


async def until(shop, waiting, **named):
    """The process id of the one backend of this database that waits for that."""
    query = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND {waiting}"
    for _ in range(500):
        if found := await shop.rows(query, **named):
            return found[0][0]
        await asyncio.sleep(0.01)
    return pytest.fail(f"nobody is at {waiting}")


# -- poison ------------------------------------------------------------------------------------------------------------


def unknown_to_the_driver(person):
    key_hash: Any = object()
    return Ask(person, (1,), new_id(), key_hash)


def beyond_a_bigint(person):
    return Ask(person, (1,), 2**70)


@pytest.mark.parametrize("poison", [unknown_to_the_driver, beyond_a_bigint])
async def test_an_ask_that_cannot_be_sent_fails_alone(shop, poison):
    taker, others = Watched(shop), [Ask(new_person(), (seat_no,), new_id()) for seat_no in range(2, 12)]
    answers = await asking(shop, taker, *others[:5], poison(ANN), *others[5:])
    assert kinds(answers[:5] + answers[6:]) == [HoldView] * 10
    assert isinstance(answers[5], Exception)
    assert not isinstance(answers[5], Contended | DatabaseAway)
    assert await shop.seats(*range(1, 12)) == "f" + "h" * 10
    assert taker.runs[0][0] == 11


async def test_an_id_drawn_twice_fails_alone_and_leaves_the_first_hold_as_it_was(shop):
    known = (await shop.hold(CAT, 9)).hold
    answers = await asking(shop, Watched(shop), Ask(ANN, (1,), known.hold_id), Ask(BOB, (2,), new_id()))
    assert kinds(answers) == [psycopg.errors.UniqueViolation, HoldView]
    assert await shop.seats(1, 2, 9) == "fhh"
    assert [view.hold for view in await shop.inventory.mine(shop.event_id, CAT)] == [known]


async def test_a_bug_that_one_person_meets_is_nobody_elses(shop, monkeypatch):
    def decide_with_a_bug(asks, sale, locked):
        assert all(ask.person != ANN for ask in asks)
        return decide_holds(asks, sale, locked)

    monkeypatch.setattr("onsale.inventory.take.decide_holds", decide_with_a_bug)
    asks = [Ask(BOB, (1, 2), new_id()), Ask(ANN, (3,), new_id()), Ask(CAT, (2,), new_id())]
    assert kinds(await asking(shop, Watched(shop), *asks)) == [HoldView, AssertionError, SeatsTaken]
    assert await shop.seats(1, 2, 3) == "hhf"


async def test_rivals_beside_a_poisoned_ask_are_answered_in_the_order_they_came(shop):
    rivals = [Ask(new_person(), (7,), new_id()) for _ in range(20)]
    for place in (0, 9, 20):
        answers = await asking(shop, Watched(shop), *rivals[:place], unknown_to_the_driver(ANN), *rivals[place:])
        del answers[place]
        assert kinds(answers) == [HoldView] + [SeatsTaken] * 19
        assert answers[0].hold.hold_id == rivals[0].hold_id


# -- deadlock ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def deadlocked(shop, taker, *asks):
    """A batch that waits for a seat of a rival who waits for a seat of the batch: PostgreSQL ends the batch."""
    lock = "SELECT FROM seat WHERE shard_id = %s AND seat_no = %s FOR UPDATE"
    async with shop.database.transaction() as rival:
        await rival.execute(lock, [shop.shard_id, 2])
        answers = asyncio.ensure_future(asking(shop, taker, *asks))
        await until(shop, "wait_event_type = 'Lock'")
        await rival.execute(lock, [shop.shard_id, 1])
        yield answers


async def test_a_batch_that_was_ended_to_solve_a_deadlock_is_run_again(shop):
    taker = Watched(shop)
    asks = Ask(ANN, (1, 2), new_id()), Ask(BOB, (3,), new_id()), Ask(CAT, (2, 4), new_id())
    async with deadlocked(shop, taker, *asks) as answers:
        pass
    assert kinds(await answers) == [HoldView, HoldView, SeatsTaken]
    assert taker.runs == [(3, Contended), (3, None)]
    assert await shop.seats(1, 2, 3, 4) == "hhhf"
    assert await written(shop, 1, 2, 3, 4) == [1, 1, 1, 0]


async def test_without_another_try_the_deadlock_is_what_each_hears(shop, monkeypatch):
    """Negative control: there really is a deadlock, and it really is the batch that is ended."""
    monkeypatch.setattr("onsale.limits.HOLD_TRIES_MAX", 1)
    taker = Watched(shop)
    async with deadlocked(shop, taker, Ask(ANN, (1, 2), new_id()), Ask(BOB, (3,), new_id())) as answers:
        heard = await answers
    assert kinds(heard) == [Contended] * 2
    assert isinstance(heard[0].__cause__.__cause__, psycopg.errors.DeadlockDetected)
    assert heard[0].retry_after_s
    assert await shop.seats(1, 2, 3) == "fff"


# -- a connection lost around the commit -------------------------------------------------------------------------------


@contextmanager
def committed_and_not_told(operator):
    """Commits wait for a standby that never comes: the transaction is in the tables, and its owner does not know."""
    name = sql.Identifier(operator.info.dbname)
    operator.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(name))
    operator.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    operator.execute("SELECT pg_reload_conf()")
    try:
        yield "wait_event = 'SyncRep'"
    finally:
        operator.execute("ALTER SYSTEM RESET synchronous_standby_names")
        operator.execute("SELECT pg_reload_conf()")


@contextmanager
def about_to_commit(operator):
    """The last check of each commit waits for a lock: all is written, and nothing is in the tables."""
    operator.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END'"
    )
    operator.execute(
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON hold DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    operator.execute("SELECT pg_advisory_lock(42)")
    try:
        yield "wait_event = 'advisory'"
    finally:
        operator.execute("SELECT pg_advisory_unlock(42)")


@asynccontextmanager
async def hung_up_on(shop, database_url, around, *asks):
    """A batch of a process of its own, whose backend is ended around its commit; its taker and its answers."""
    with psycopg.connect(database_url, autocommit=True) as operator:
        with around(operator) as waiting:
            other = in_one_process(Database(database_url), database_url, shop.event_id)
            await other.database.open()
            taker = Watched(other)
            answers = asyncio.ensure_future(asking(other, taker, *asks))
            operator.execute("SELECT pg_terminate_backend(%s)", [await until(shop, waiting)])
        yield taker, answers
        await other.database.close()


ASKS = (
    Ask(ANN, (1, 2), new_id(), key_hash=b"k" * 32),
    Ask(BOB, (3,), new_id()),
    Ask(CAT, (3, 4), new_id()),
)


@pytest.mark.parametrize("around", [about_to_commit, committed_and_not_told])
async def test_a_connection_lost_around_the_commit_leaves_each_with_the_hold_that_is_in_the_table(
    shop, database_url, around
):
    async with hung_up_on(shop, database_url, around, *ASKS) as (taker, answering):
        answers = await asyncio.wait_for(answering, 10)
    assert kinds(answers) == [HoldView, HoldView, SeatsTaken]
    assert taker.runs == [(3, DatabaseAway), (3, None)]
    held = await shop.rows("SELECT hold_id, person, seats, state FROM hold ORDER BY seats")
    assert held == [(ASKS[0].hold_id, ANN, [1, 2], 1), (ASKS[1].hold_id, BOB, [3], 1)]
    assert [answer.hold.hold_id for answer in answers[:2]] == [ASKS[0].hold_id, ASKS[1].hold_id]
    assert all(answer.whole for answer in answers[:2])
    assert await shop.seats(1, 2, 3, 4) == "hhhf"
    assert await written(shop, 1, 2, 3, 4) == [1, 1, 1, 0]
    assert [kind for kind, _ in await shop.told()] == ["SaleLaidDown", "SeatsHeld"]


async def test_without_another_try_a_hold_that_was_made_would_be_denied(shop, database_url, monkeypatch):
    """Negative control: the commit had passed, and only the second try finds it."""
    monkeypatch.setattr("onsale.limits.HOLD_TRIES_MAX", 1)
    async with hung_up_on(shop, database_url, committed_and_not_told, *ASKS) as (_, answering):
        answers = await asyncio.wait_for(answering, 10)
    assert kinds(answers) == [DatabaseAway] * 3
    assert await shop.seats(1, 2, 3, 4) == "hhhf"


# -- a rush ------------------------------------------------------------------------------------------------------------


async def test_a_rush_of_ten_thousand_for_sixty_seats_answers_everybody(shop):
    """How many are turned away by time depends on the machine; that each is answered, and rightly, does not."""
    asks = [Ask(new_person(), (number % 60,), new_id()) for number in range(10_000)]
    answers = await asking(shop, Watched(shop), *asks)
    count = Counter(kinds(answers))
    print(count)
    assert set(count) <= {HoldView, SeatsTaken, Overloaded}
    assert count[HoldView] == 60
    assert await shop.seats() == "h" * 60
