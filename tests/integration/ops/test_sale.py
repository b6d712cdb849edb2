"""The organiser's word and the sale say the same, whatever happens between them; a stop by hand is its own."""

import asyncio

import pytest
from tests.integration.inventory.opening import open_shop, sales_of
from tests.integration.inventory.shop import Shop, in_one_process

from onsale.catalog import EventStatus
from onsale.inventory.errors import SaleStopped
from onsale.kit import db
from onsale.kit.ids import new_person

pytestmark = pytest.mark.anyio

ANN = new_person()
CANCELLED, POSTPONED = EventStatus.CANCELLED, EventStatus.POSTPONED


@pytest.fixture
async def shop(database: db.Database, database_url: str) -> Shop:
    return await open_shop(database, database_url)


async def state(shop: Shop) -> tuple[str | None, bool, bool]:
    """The organiser's word, and both flags of the sale."""
    query = (
        "SELECT said, called_off, stopped FROM event, sale WHERE event_id = %(event_id)s AND shard_id = %(shard_id)s"
    )
    [[said, called_off, stopped]] = await shop.rows(query, event_id=shop.event_id)
    return said, called_off, stopped


async def refuses(shop: Shop) -> bool:
    try:
        held = await shop.hold(ANN, 1)
    except SaleStopped:
        return True
    await shop.inventory.let_go(shop.shard_id, held.hold.hold_id, ANN)
    return False


@pytest.mark.parametrize("said", [CANCELLED, POSTPONED])
async def test_an_event_that_is_called_off_takes_no_seats_until_the_word_is_taken_back(shop: Shop, said: EventStatus):
    await sales_of(shop).say(shop.event_id, said)
    assert await refuses(shop)
    await sales_of(shop).say(shop.event_id, None)
    assert not await refuses(shop)


async def test_a_crash_between_the_word_and_the_sale_leaves_neither(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    async def crash(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(shop.inventory), "call_off", crash)
        with pytest.raises(ZeroDivisionError):
            await sales_of(shop).say(shop.event_id, CANCELLED)
    assert await state(shop) == (None, False, False)
    assert not await refuses(shop)


async def test_saying_a_word_again_heals_a_sale_that_missed_it(shop: Shop):
    await sales_of(shop).say(shop.event_id, CANCELLED)
    await shop.rows("UPDATE sale SET called_off = false RETURNING 1")
    await sales_of(shop).say(shop.event_id, CANCELLED)
    assert await refuses(shop)


async def test_a_process_with_an_old_memory_of_the_event_says_its_word_all_the_same(shop: Shop, database, database_url):
    other = in_one_process(database, database_url, shop.event_id)
    assert (await other.catalog.event(shop.event_id)).said is None
    await sales_of(shop).say(shop.event_id, CANCELLED)
    await sales_of(other).say(shop.event_id, None)
    assert await state(shop) == (None, False, False)
    assert not await refuses(shop)


async def test_an_event_cancelled_before_its_sale_is_opened_takes_no_seats(shop: Shop):
    await shop.rows("WITH gone AS (DELETE FROM seat) DELETE FROM sale RETURNING 1")
    await shop.rows("UPDATE event SET on_sale = false RETURNING 1")
    await sales_of(shop).say(shop.event_id, CANCELLED)
    assert await sales_of(shop).put_on_sale(shop.event_id) == 60
    assert await state(shop) == ("CANCELLED", True, False)
    assert await refuses(shop)


async def test_a_stop_by_hand_outlives_cancelling_and_taking_it_back(shop: Shop):
    await sales_of(shop).stop(shop.event_id, True)
    await sales_of(shop).say(shop.event_id, CANCELLED)
    await sales_of(shop).say(shop.event_id, None)
    assert await refuses(shop)


async def test_resuming_a_sale_does_not_sell_an_event_that_is_called_off(shop: Shop):
    await sales_of(shop).say(shop.event_id, POSTPONED)
    await sales_of(shop).stop(shop.event_id, False)
    assert await refuses(shop)


async def test_words_and_openings_that_cross_leave_event_and_sale_of_one_mind(shop: Shop, database, database_url):
    sales = [sales_of(in_one_process(database, database_url, shop.event_id)) for _ in range(4)]
    for number in range(10):
        words = (CANCELLED, None) if number % 2 else (None, POSTPONED)
        await asyncio.gather(*(each.say(shop.event_id, words[place % 2]) for place, each in enumerate(sales)))
        said, called_off, _ = await state(shop)
        assert called_off == (said is not None)
