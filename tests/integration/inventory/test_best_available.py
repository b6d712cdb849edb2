"""The best seats together on a real database: chosen from a picture, decided under lock."""

import asyncio
from collections import Counter
from itertools import chain

import pytest
from tests.integration.inventory.maps import healing, process, trusts, until
from tests.integration.inventory.opening import sales_of
from tests.unit.inventory.hall import ACCESSIBLE

from onsale.inventory import NotOnSale
from onsale.inventory.errors import NoSeatsTogether, SaleNotOpen, SaleStopped, TooManySeats
from onsale.inventory.service import Best
from onsale.kit.ids import new_person
from onsale.kit.problems import KeyReused, NotFound, Overloaded

pytestmark = pytest.mark.anyio

ANN, BOB = new_person(), new_person()
KEY, OTHER_BODY = b"k" * 16 + b"b" * 16, b"k" * 16 + b"c" * 16


async def best(shop, person, quantity, tier=None, section=None, key_hash=None):
    view = await shop.inventory.hold_best(shop.event_id, person, Best(quantity, tier, section), key_hash)
    assert view.whole
    return view.hold.seats


async def test_the_best_seats_are_taken_and_then_the_next_best(shop):
    assert await best(shop, ANN, 2) == (3, 4)
    assert await best(shop, BOB, 2) == (11, 12)
    assert await shop.seats(3, 4, 11, 12) == "hhhh"


async def test_a_tier_or_a_section_narrows_the_choice(shop):
    assert await best(shop, ANN, 2, tier=2) == (27, 28)
    assert await best(shop, BOB, 2, section="Floor") == (48, 49)
    for unknown in ({"tier": 9}, {"section": "Roof"}):
        with pytest.raises(NotFound):
            await best(shop, ANN, 2, **unknown)
    for quantity in (0, 9):
        with pytest.raises(TooManySeats):
            await best(shop, ANN, quantity)


async def test_all_who_ask_at_once_get_seats_together_until_there_are_none(shop):
    """Every seat together with a free one goes to somebody, none to two; who is refused is refused for good reason."""
    answers = await asyncio.gather(*(best(shop, new_person(), 2) for _ in range(60)), return_exceptions=True)
    held = [answer for answer in answers if isinstance(answer, tuple)]
    refused = Counter(type(answer) for answer in answers if not isinstance(answer, tuple))
    print("held", len(held), "refused", refused)
    assert set(refused) == {NoSeatsTogether}
    assert len(set(chain(*held))) == 2 * len(held)
    left = await shop.seats()
    assert all("ff" not in left[first : first + 8].replace("fhf", "") for first in (0, 8, 24, 32, 40))
    assert left[48:] == "h" * 12 and "".join(left[seat] for seat in ACCESSIBLE) == "ff"


async def test_a_repeated_request_is_answered_the_same_when_it_took_the_last_seats(shop):
    await shop.rows("UPDATE seat SET state = 3 WHERE seat_no NOT IN (3, 4) RETURNING 1")
    assert await best(shop, ANN, 2, key_hash=KEY) == (3, 4)
    await shop.inventory.seat_map.picture(shop.shard_id, fresh=True)
    assert await best(shop, ANN, 2, key_hash=KEY) == (3, 4)
    with pytest.raises(KeyReused):
        await best(shop, ANN, 1, key_hash=OTHER_BODY)
    with pytest.raises(NoSeatsTogether):
        await best(shop, BOB, 2, key_hash=KEY)


async def test_who_asks_for_the_best_of_nothing_costs_two_looks_and_no_more(shop, monkeypatch):
    await shop.rows("UPDATE seat SET state = 3 RETURNING 1")
    looks = []
    look = shop.inventory.seat_map._refresh

    def counted(shard_id):
        looks.append(shard_id)
        return look(shard_id)

    monkeypatch.setattr(shop.inventory.seat_map, "_refresh", counted)
    for _ in range(3):
        with pytest.raises(NoSeatsTogether):
            await best(shop, ANN, 2)
    assert len(looks) <= 4, "one that may be shared and one that is fresh; then a fresh one each"


async def test_who_loses_every_race_is_told_to_try_again_and_not_that_nothing_is_left(shop, monkeypatch):
    picture = await shop.inventory.seat_map.picture(shop.shard_id)
    await shop.hold(BOB, 3, 4)

    async def stale(shard_id, *, fresh=False):
        shop.inventory._chooser.look_anew(shard_id)
        return picture

    monkeypatch.setattr(shop.inventory.seat_map, "picture", stale)
    with pytest.raises(Overloaded):
        await best(shop, ANN, 2)


async def test_other_refusals_pass_through(shop):
    await sales_of(shop).stop(shop.event_id, True)
    with pytest.raises(SaleStopped):
        await best(shop, ANN, 2)
    await shop.rows("DELETE FROM seat RETURNING 1")
    await shop.inventory.seat_map.picture(shop.shard_id, fresh=True)
    with pytest.raises(NotOnSale):
        await best(shop, ANN, 2)


async def test_who_is_refused_gives_back_what_was_chosen_for_them(shop, database_url, redis_url):
    """Else a few dozen asks before the opening, all refused, would leave nothing to choose from at the opening."""
    async with process(shop, database_url, redis_url) as other, healing(other):
        await until(lambda: trusts(other))
        await shop.rows("UPDATE sale SET opens_at = opens_at + interval '1 year' RETURNING 1")
        for _ in range(40):
            with pytest.raises(SaleNotOpen):
                await best(other, new_person(), 2)
        await shop.rows("UPDATE sale SET opens_at = opens_at - interval '1 year' RETURNING 1")
        assert await best(other, ANN, 2) == (3, 4)
