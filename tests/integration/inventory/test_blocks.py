"""The organiser's blocks on a real database and over HTTP: what is taken off sale, what is not, and who may."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs
from tests.integration.inventory.shop import in_one_process
from tests.integration.world import World, refused, world
from tests.unit.inventory.hall import CIRCLE, FLOOR, STALLS

from onsale import limits
from onsale.inventory import NotOnSale, SeatState
from onsale.inventory.errors import NoSeatsTogether, SeatsTaken, TooManySeats, UnknownSeat
from onsale.inventory.service import Best
from onsale.kit.ids import new_person
from onsale.kit.problems import NotFound

pytestmark = pytest.mark.anyio

ANN, BOB, CAT = new_person(), new_person(), new_person()
FREE, HELD, SOLD, BLOCKED = SeatState


async def test_a_section_is_blocked_but_for_what_is_held_or_sold_and_put_back_whole(shop):
    held, paid = await shop.hold(ANN, 24, 25), await shop.hold(BOB, 26)
    await shop.pay(paid.hold.hold_id)
    stand = await shop.inventory.block(shop.event_id, True, section="Circle")
    assert stand == dict.fromkeys(CIRCLE, BLOCKED) | {24: HELD, 25: HELD, 26: SOLD}
    assert await shop.seats() == "f" * 24 + "hhs" + "n" * 21 + "f" * 12
    with pytest.raises(SeatsTaken):
        await shop.hold(CAT, 23, 27)
    with pytest.raises(NoSeatsTogether):
        await shop.inventory.hold_best(shop.event_id, CAT, Best(1, section="Circle"))
    assert await shop.inventory.count_free(shop.event_id) == {1: 24, 2: 0, 3: 12}
    assert await shop.pay(held.hold.hold_id) != {held.hold.hold_id: None}
    stand = await shop.inventory.block(shop.event_id, False, section="Circle")
    assert stand == dict.fromkeys(CIRCLE, FREE) | dict.fromkeys((24, 25, 26), SOLD)
    assert (await shop.hold(CAT, 23, 27)).whole


async def test_doing_it_again_changes_and_tells_nothing(shop):
    for blocked, state in ((True, BLOCKED), (False, FREE)):
        first = await shop.inventory.block(shop.event_id, blocked, [1, 2])
        told, numbers = len(await shop.told()), await shop.change_nos()
        assert await shop.inventory.block(shop.event_id, blocked, [1, 2]) == first == {1: state, 2: state}
        assert (len(await shop.told()), await shop.change_nos()) == (told, numbers)


async def test_a_run_out_hold_loses_a_seat_that_is_blocked(shop):
    lost, kept = (await shop.hold(ANN, 1, 2)).hold, (await shop.hold(BOB, 3)).hold
    await shop.grow_older(301)
    assert await shop.inventory.block(shop.event_id, True, [2]) == {2: BLOCKED}
    assert not (await shop.inventory.read(shop.shard_id, lost.hold_id, ANN)).whole
    assert await shop.inventory.sweep() == 2
    answers = await shop.pay(lost.hold_id, kept.hold_id)
    assert answers[lost.hold_id] is None and answers[kept.hold_id] is not None
    assert await shop.seats(1, 2, 3) == "fns"


async def test_what_cannot_be_blocked_is_refused_and_nothing_is_changed(shop, monkeypatch):
    for blocked in (True, False):
        with pytest.raises(UnknownSeat) as refusal:
            await shop.inventory.block(shop.event_id, blocked, [1, 60, 61])
        assert refusal.value.extra == {"unknown": [60, 61]}
        with pytest.raises(NotFound):
            await shop.inventory.block(shop.event_id, blocked, section="Roof")
    monkeypatch.setattr("onsale.limits.BLOCK_SEATS_MAX", 23)
    with pytest.raises(TooManySeats):
        await shop.inventory.block(shop.event_id, True, section="Stalls")
    assert set(await shop.inventory.block(shop.event_id, True, section="Floor")) == set(FLOOR)
    assert await shop.seats() == "f" * 48 + "n" * 12
    await shop.rows("WITH gone AS (DELETE FROM seat) DELETE FROM sale RETURNING 1")
    with pytest.raises(NotOnSale):
        await shop.inventory.block(shop.event_id, True, [1])


async def test_a_block_waits_for_whoever_is_taking_the_seat_and_then_leaves_it(shop, database, database_url):
    """And the other way round: who waits for a block is told that the seat is taken."""
    other = in_one_process(database, database_url, shop.event_id)
    answers = await asyncio.gather(
        *(shop.hold(new_person(), seat) for seat in STALLS),
        other.inventory.block(shop.event_id, True, STALLS),
        *(other.hold(new_person(), seat) for seat in STALLS),
        return_exceptions=True,
    )
    stand = answers[len(STALLS)]
    assert isinstance(stand, dict)
    won = [answer.hold.seats[0] for answer in answers if hasattr(answer, "hold")]
    lost = [answer for answer in answers if isinstance(answer, Exception)]
    print("held", len(won), "blocked", list(stand.values()).count(BLOCKED))
    assert {type(error) for error in lost} == {SeatsTaken} and len(won) == len(set(won))
    assert {seat for seat in STALLS if stand[seat] is HELD} == set(won)
    assert {seat for seat in STALLS if stand[seat] is BLOCKED} == set(STALLS) - set(won)


async def test_as_many_as_may_be_asked_for_at_once_are_blocked_within_the_time_of_a_statement(shop):
    """The write joins arrays; should a plan compare each seat with each, this would take minutes."""
    await shop.rows(
        "WITH more AS (INSERT INTO seat (shard_id, seat_no, tier) "
        "SELECT %(shard_id)s, n, 1 FROM generate_series(60, %(last)s) n RETURNING 1) SELECT count(*) FROM more",
        last=limits.BLOCK_SEATS_MAX - 1,
    )
    async with asyncio.timeout(limits.STATEMENT_TIMEOUT_S):
        stand = await shop.inventory.block(shop.event_id, True, range(limits.BLOCK_SEATS_MAX))
    assert len(stand) == limits.BLOCK_SEATS_MAX and set(stand.values()) == {BLOCKED}


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def house(database_url, redis_url, tmp_path):
    async with world(database_url, redis_url, tmp_path) as made:
        yield made


async def somebody(house: World, role: str, *, member: bool = False) -> dict[str, str]:
    account = await house.house.accounts.grant(f"{role}@example.org", role)
    if member:
        event = await house.house.catalog.event(house.event)
        await house.house.catalog.add_member(event.organiser.organiser_id, account.person)
    token, _ = house.house.accounts._sessions.start(account.person, account.email, account.roles)
    return {"Authorization": f"Bearer {token}"}


async def test_blocks_are_for_members_of_the_organiser_and_for_operators(house: World):
    async def block(headers: dict[str, str]) -> httpx.Response:
        body = {"blocked": True, "seats": [1]}
        return await house.client.post(f"/api/v1/events/{house.event}/blocks", json=body, headers=headers)

    refused(await block({}), 401, "session_required")
    refused(await block(await somebody(house, "fan")), 403, "role_required")
    refused(await block(await somebody(house, "organiser")), 403, "not_your_event")
    for headers in (await somebody(house, "organiser", member=True), await somebody(house, "operator")):
        answer = await block(headers)
        assert answer.status_code == 200
        assert answer.json() == {"event": house.event, "blocked": [1], "free": [], "held": [], "sold": []}


async def test_who_blocks_hears_what_was_not_possible_and_stands_in_the_log(house: World):
    ann, headers = await house.fan(), await somebody(house, "operator")
    held = await ann.post(f"/api/v1/events/{house.event}/holds", {"seats": [2]})
    assert held.status_code == 201, held.text
    path = f"/api/v1/events/{house.event}/blocks"
    with capture_logs() as lines:
        body = {"blocked": True, "seats": [3, 2, 1]}
        answer = await house.client.post(path, json=body, headers=headers)
    assert answer.json() == {"event": house.event, "blocked": [1, 3], "free": [], "held": [2], "sold": []}
    [line] = [line for line in lines if line["event"] == "seats_blocked"]
    operator = await house.house.accounts.grant("operator@example.org", "operator")
    assert (line["person"], line["asked"], line["not_possible"]) == (str(operator.person), 3, 1)
    refused(await ann.post(f"/api/v1/events/{house.event}/holds", {"seats": [1]}), 409, "seats_taken")
    answer = await house.client.post(path, json=body | {"blocked": False}, headers=headers)
    assert answer.json() == {"event": house.event, "blocked": [], "free": [1, 3], "held": [2], "sold": []}
    assert (await ann.post(f"/api/v1/events/{house.event}/holds", {"seats": [1]})).status_code == 201


async def test_a_request_to_block_that_says_nothing_or_too_much_is_refused(house: World):
    headers = await somebody(house, "operator")

    async def told(**body: object) -> httpx.Response:
        return await house.client.post(f"/api/v1/events/{house.event}/blocks", json=body, headers=headers)

    many = list(range(limits.BLOCK_SEATS_MAX + 1))
    for body in (
        {"blocked": True},
        {"blocked": True, "seats": [1], "section": "Stalls"},
        {"blocked": True, "seats": []},
        {"blocked": True, "seats": [-1]},
        {"blocked": True, "seats": many},
        {"seats": [1]},
        {"blocked": True, "seats": [1], "why": "camera"},
    ):
        refused(await told(**body), 422, "invalid_request")
    answer = await told(blocked=True, seats=[1, limits.CHART_SEATS_MAX - 1])
    refused(answer, 422, "unknown_seat")
    assert answer.json()["unknown"] == [limits.CHART_SEATS_MAX - 1]
    refused(await told(blocked=True, section="Roof"), 404, "not_found")
