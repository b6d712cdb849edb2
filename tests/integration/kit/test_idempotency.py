"""The numbered cases of Idempotency-Key on ordinary writes: once, whoever repeats it, however often, at any moment."""

import asyncio

import pytest

from onsale import limits
from onsale.kit import idempotency
from onsale.kit.db import Contended
from onsale.kit.problems import Invalid, KeyReused, Problem

pytestmark = pytest.mark.anyio


class Refused(Problem):
    code = "refused_in_test"
    status = 409


class Counter:
    """An effect that can be counted: each call writes a row and answers with its number."""

    def __init__(self, database):
        self.database = database
        self.calls = 0

    async def post(self, key="k", body=b"{}", scope="ann POST /lamps", *, refuse=False, pause_s=0.0):
        async with self.database.transaction() as tx:

            async def effect():
                self.calls += 1
                number = self.calls
                await tx.execute(
                    "INSERT INTO mailbox (recipient, subject, body_text, body_html, attachments) "
                    "VALUES ('', %s, '', '', '[]')",
                    [str(number)],
                )
                await asyncio.sleep(pause_s)
                if refuse:
                    raise Refused
                return 201, b'{"number":%d}' % number

            return await idempotency.once(tx, scope, key, body, effect)

    async def effects(self):
        async with self.database.transaction() as tx:
            return len(await (await tx.execute("SELECT 1 FROM mailbox")).fetchall())


@pytest.fixture
def lamps(database):
    return Counter(database)


async def test_1_a_repeated_request_gets_the_same_answer_and_happens_once(lamps):
    assert await lamps.post() == await lamps.post() == (201, b'{"number":1}')
    assert (lamps.calls, await lamps.effects()) == (1, 1)


async def test_2_without_a_key_each_request_happens(lamps):
    assert await lamps.post(None) != await lamps.post(None)
    assert await lamps.effects() == 2


async def test_3_a_key_with_another_body_is_refused_and_changes_nothing(lamps):
    await lamps.post(body=b'{"a":1}')
    with pytest.raises(KeyReused):
        await lamps.post(body=b'{"a":2}')
    assert await lamps.effects() == 1
    assert (await lamps.post(body=b'{"a":1}'))[0] == 201


async def test_4_bodies_that_are_no_text_are_told_apart(lamps):
    await lamps.post(body=b"\xff")
    with pytest.raises(KeyReused):
        await lamps.post(body=b"\xfe")


async def test_5_the_same_key_of_another_person_or_route_is_another_key(lamps):
    answers = [await lamps.post(scope=scope) for scope in ("ann POST /a", "bob POST /a", "ann POST /b")]
    assert len(set(answers)) == 3


async def test_6_duplicates_at_the_same_time_happen_once_and_all_get_the_answer(lamps):
    answers = await asyncio.gather(*(lamps.post(pause_s=0.05) for _ in range(10)))
    assert set(answers) == {(201, b'{"number":1}')}
    assert (lamps.calls, await lamps.effects()) == (1, 1)


async def test_7_a_refusal_is_not_kept_and_the_next_request_is_judged_anew(lamps):
    with pytest.raises(Refused):
        await lamps.post(refuse=True)
    assert await lamps.effects() == 0
    assert await lamps.post() == (201, b'{"number":2}')


async def test_8_a_duplicate_that_waited_for_a_refused_one_happens_itself(lamps):
    first = asyncio.create_task(lamps.post(refuse=True, pause_s=0.1))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(lamps.post())
    with pytest.raises(Refused):
        await first
    assert await second == (201, b'{"number":2}')
    assert await lamps.effects() == 1


async def test_9_a_duplicate_of_one_whose_client_has_gone_happens_itself(lamps):
    first = asyncio.create_task(lamps.post(pause_s=5))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(lamps.post())
    await asyncio.sleep(0.05)
    first.cancel()
    assert (await second)[0] == 201
    assert await lamps.effects() == 1


async def test_10_a_duplicate_does_not_wait_for_ever(lamps):
    async with lamps.database.transaction() as slow:

        async def duplicate():
            async with lamps.database.transaction() as tx:
                await tx.execute("SET LOCAL lock_timeout = '100ms'")
                await idempotency.once(tx, "s", "k", b"", effect)

        async def effect():
            with pytest.raises(Contended):
                await duplicate()
            return 201, b"{}"

        await idempotency.once(slow, "s", "k", b"", effect)


async def test_11_an_answer_taken_back_is_worked_for_again(lamps):
    await lamps.post()
    async with lamps.database.transaction() as tx:
        await idempotency.take_back(tx, "ann POST /lamps", "k")
        await idempotency.take_back(tx, "ann POST /lamps", None)
    assert await lamps.post() == (201, b'{"number":2}')


async def test_12_answers_are_forgotten_after_their_time_and_not_before(lamps):
    await lamps.post("old")
    await lamps.post("young")
    async with lamps.database.transaction() as tx:
        late = limits.IDEMPOTENCY_KEPT_S + 60
        await tx.execute("UPDATE idempotency SET at = at - make_interval(secs => %s) WHERE key = 'old'", [late])
        await idempotency.forget(tx, 10)
    assert (await lamps.post("young"))[1] == b'{"number":2}'
    assert (await lamps.post("old"))[1] == b'{"number":3}'


async def test_13_looking_before_inserting_lets_duplicates_happen_twice(lamps):
    """Negative control: the check everybody writes first, without the row's lock."""
    both_have_looked = asyncio.Barrier(2)

    async def post():
        async with lamps.database.transaction() as tx:
            looked = await tx.execute("SELECT answer FROM idempotency WHERE scope = 's' AND key = 'k'")
            found = await looked.fetchone()
            await both_have_looked.wait()
            if found is None:
                lamps.calls += 1
                await tx.execute(
                    "INSERT INTO idempotency (scope, key, body_hash) VALUES ('s', 'k', '') ON CONFLICT DO NOTHING"
                )

    await asyncio.gather(post(), post())
    assert lamps.calls == 2


@pytest.mark.parametrize(
    "key", ["", "x" * (limits.IDEMPOTENCY_KEY_MAX_LENGTH + 1), "schlüssel", "a\nb", "a\0b", "\x7f"]
)
def test_14_a_key_that_is_none_is_refused(key):
    with pytest.raises(Invalid):
        idempotency.checked(key)


def test_15_a_missing_key_is_none_and_a_good_one_is_itself():
    assert idempotency.checked(None) is None
    assert idempotency.checked("x" * limits.IDEMPOTENCY_KEY_MAX_LENGTH) == "x" * limits.IDEMPOTENCY_KEY_MAX_LENGTH
    assert idempotency.checked('"8e03978e-40d5-43dd"') == '"8e03978e-40d5-43dd"'
