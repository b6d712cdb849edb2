"""Invariant 7 over real connections: a picture and the messages after it are the picture of the version they name."""

import json
from collections.abc import Awaitable, Callable

import pytest
from tests.integration.live.conftest import Page, Stage
from tests.integration.world import Fan, ok, refused
from websockets.exceptions import ConnectionClosed, InvalidStatus

from onsale import app as composition
from onsale import limits
from onsale.checkout.gateways import GatewayState, Outcome
from onsale.kit import clock, ids
from onsale.live.hot import LiveEndpoints
from onsale.mount import Role, live_routes

pytestmark = pytest.mark.anyio


async def hold(stage: Stage, ann: Fan) -> None:
    await ann.hold(0, 1, 2)


async def replace(stage: Stage, ann: Fan) -> None:
    """Two of the seats stay, one goes back, one is new."""
    await ann.hold(1, 2, 3)


async def extend(stage: Stage, ann: Fan) -> None:
    await stage.world.rows("UPDATE hold SET expires_at = expires_at - interval '4 minutes' WHERE state = 1")
    [mine] = ok(await ann.get(f"/api/v1/events/{stage.event}/holds/mine"), 200)["items"]
    ok(await ann.post(f"/api/v1/holds/{mine['id']}/extension", {}), 200)


async def release(stage: Stage, ann: Fan) -> None:
    [mine] = ok(await ann.get(f"/api/v1/events/{stage.event}/holds/mine"), 200)["items"]
    gone = await stage.world.client.delete(f"/api/v1/holds/{mine['id']}", headers=ann.headers)
    assert gone.status_code == 204


async def sweep(stage: Stage, ann: Fan) -> None:
    await stage.world.run_out(await ann.hold(10, 11))
    assert await stage.world.house.inventory.sweep() == 1


async def take_over(stage: Stage, ann: Fan) -> None:
    """Somebody takes seats of a hold that ran out and was never swept."""
    await stage.world.run_out(await ann.hold(12, 13))
    await (await stage.world.fan()).hold(13, 14)


async def sell(stage: Stage, ann: Fan) -> None:
    await ann.buy(20, 21)


async def take_back(stage: Stage, ann: Fan) -> None:
    """The money never comes: the seats were sold and are free again."""
    order = await ann.order(30, 31)
    stage.world.gateway.script["before capture"] = Outcome(GatewayState.REFUSED, message="expired")
    refused(await ann.pay(order), 409, "money_not_received")


KINDS: tuple[tuple[Callable[[Stage, Fan], Awaitable[None]], dict[int, int]], ...] = (
    (hold, {0: 1, 1: 1, 2: 1}),
    (replace, {0: 0, 1: 1, 2: 1, 3: 1}),
    (extend, {1: 1, 2: 1, 3: 1}),
    (release, {1: 0, 2: 0, 3: 0}),
    (sweep, {10: 0, 11: 0}),
    (take_over, {13: 1, 14: 1}),
    (sell, {20: 2, 21: 2}),
    (take_back, {30: 0, 31: 0}),
)


async def test_every_kind_of_change_reaches_the_page_as_a_fresh_picture_would_show_it(stage, monkeypatch):
    # What shows nothing (more time for the same seats) is told with the next word that we are there.
    monkeypatch.setattr(limits, "LIVE_HEARTBEAT_S", 0.3)
    ann = await stage.world.fan()
    page = Page(*await stage.picture())
    async with stage.connect(page.mark) as line:
        for change, expected in KINDS:
            before = page.version
            await change(stage, ann)
            shown: dict[int, int] = {}
            # What was committed may show a moment later, in the picture and in the messages alike.
            while page.version <= before or shown != expected:
                version, states = await stage.picture()
                await page.read_to(line, version)
                if page.version == version:
                    assert page.states == states, change.__name__
                shown = {seat_no: page.states[seat_no] for seat_no in expected}
                await clock.sleep(0.02)


async def test_who_comes_back_goes_on_from_its_etag(stage):
    ann = await stage.world.fan()
    page = Page(*await stage.picture())
    async with stage.connect(page.mark) as staying, stage.connect(page.mark) as leaving:
        await ann.hold(0, 1)
        await page.read_to(leaving, (await stage.picture())[0])
        await leaving.close()
        await ann.hold(1, 2, 3)
        await ann.buy(5)
        version, states = await stage.picture()
        other = Page(*await stage.picture())
        async with stage.connect(page.mark) as again:
            seen = len(page.messages)
            await page.read_to(again, version)
            assert len(page.messages) == seen + 1, "what it missed comes as one message"
            assert page.states == states == other.states
        assert json.loads(await staying.recv())["seats"] == [[0, 1], [1, 1]]


async def test_who_cannot_be_led_on_is_told_where_to_begin_again(stage):
    mark = await stage.mark()
    async with stage.connect("1-ff") as line:
        assert json.loads(await line.recv()) == {"resync": True, "v": int(mark.partition("-")[0]), "etag": mark}
        with pytest.raises(ConnectionClosed) as ended:
            await line.recv()
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1000


async def denied(stage: Stage, since: str, event: int | None = None) -> tuple[int, str, str | None]:
    with pytest.raises(InvalidStatus) as refusal:
        async with stage.connect(since, event):
            pass
    answer = refusal.value.response
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.status_code, json.loads(answer.body)["code"], answer.headers.get("retry-after")


async def test_who_is_not_let_in_hears_why_as_over_http(stage, caplog):
    mark = await stage.mark()
    assert await denied(stage, mark, event=999_999) == (404, "event_not_found", None)
    assert await denied(stage, "nonsense") == (422, "invalid_request", None)
    bare = await stage.world.put_on_sale()
    await stage.world.rows("DELETE FROM seat WHERE shard_id = %s", ids.shard_of(bare))
    assert await denied(stage, mark, event=bare) == (409, "not_on_sale", None)
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")], "a refusal is no error"


async def test_beyond_the_bound_nobody_is_let_in_until_somebody_leaves(stage, monkeypatch):
    monkeypatch.setattr(limits, "LIVE_VIEWERS_PER_EVENT_MAX", 2)
    mark = await stage.mark()
    async with stage.connect(mark):
        async with stage.connect(mark):
            assert await denied(stage, mark) == (503, "too_many_viewers", "15")
        await clock.sleep(0.2)
        async with stage.connect(mark):
            pass


async def test_viewers_say_nothing(stage):
    mark = await stage.mark()
    for words, code in (("hello", 1008), (b"hello", 1008), ("h" * 1000, 1009)):
        async with stage.connect(mark) as line:
            await line.send(words)
            with pytest.raises(ConnectionClosed) as ended:
                await line.recv()
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == code


async def test_a_viewer_may_ping_and_stays_past_the_time_for_a_request_head(stage, monkeypatch):
    monkeypatch.setattr(limits, "HEAD_WAIT_S", 0.2)
    page = Page(*await stage.picture())
    async with stage.connect(page.mark) as line:
        await clock.sleep(0.6)
        await (await line.ping())
        await (await stage.world.fan()).hold(4)
        await page.read_to(line, page.version + 1)
        assert page.states[4] == 1


async def test_requests_go_on_over_http_beside_it(stage, browser):
    assert (await browser.get(f"/api/v1/events/{stage.event}/availability")).status_code == 200
    assert (await browser.get(f"/api/v1/events/{stage.event}/live")).status_code == 404


async def test_the_gate_shows_no_map(stage):
    endpoints = LiveEndpoints(stage.live, stage.world.house.catalog)
    guards = composition.guards(stage.world.house)
    assert not live_routes(Role.GATE, guards, endpoints)
    assert live_routes(Role.SHOP, guards, endpoints)
