"""The endpoint over fake sockets: who is let in, who is refused and how, and what ends a stream."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.live.seats import Seats

from onsale import limits
from onsale.catalog.errors import EventNotFound
from onsale.kit import asgi, clock, ids, tasks
from onsale.kit.front import Front, http_requests
from onsale.live import Live
from onsale.live.hot import LiveEndpoints
from onsale.live.service import viewers

pytestmark = pytest.mark.anyio

EVENT = 7
EVENTS = range(EVENT, EVENT + 20)
DENIAL: dict[str, Any] = {"websocket.http.response": {}}


class Line:
    """A WebSocket's other end, as a server shows it to an application."""

    def __init__(self, path: str, query: str = "", extensions=DENIAL) -> None:
        self.scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"origin", b"https://fans.test")],
            "extensions": extensions,
        }
        self.to_app: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = False
        self.to_app.put_nowait({"type": "websocket.connect"})

    async def send(self, message) -> None:
        await self.writable.wait()
        if self.gone:
            raise OSError("nobody is there")
        self.sent.append(message)

    def hang_up(self) -> None:
        self.gone = True
        self.to_app.put_nowait({"type": "websocket.disconnect", "code": 1001})

    @property
    def texts(self) -> list[Any]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    @property
    def last(self):
        return self.sent[-1]

    def denied(self) -> tuple[int, str, dict[bytes, bytes]]:
        start, body = self.sent
        assert start["type"] == "websocket.http.response.start"
        assert body["type"] == "websocket.http.response.body"
        return start["status"], json.loads(body["body"])["code"], dict(start["headers"])


class Hall:
    """An application that serves nothing but the live map of one event."""

    def __init__(self) -> None:
        self.seats = Seats()
        self.live = Live(self.seats)
        endpoints = LiveEndpoints(self.live, cast(Any, SimpleNamespace(event=self.event)))
        routes = [("GET", "/api/v1/events/{event}/live", endpoints.live)]
        self.app = Front(asgi.Router([]), self.nothing, routes)
        self.answering: list[Any] = []

    async def event(self, event_id: int):
        if event_id not in EVENTS:
            raise EventNotFound
        return SimpleNamespace(event_id=event_id)

    async def nothing(self, scope, receive, send) -> None:
        raise AssertionError("no WebSocket is the framework's")

    async def open(self, path=f"/api/v1/events/{EVENT}/live", query=None, **more) -> Line:
        line = Line(path, f"since={self.etag}" if query is None else query, **more)
        self.answering.append(tasks.spawn(self.app(line.scope, line.to_app.get, line.send), name="socket"))
        await clock.sleep(0.01)
        return line

    @property
    def etag(self) -> str:
        return f"{self.seats.version}-{self.seats.epoch.hex()}"


@pytest.fixture
async def hall(monkeypatch):
    monkeypatch.setattr(limits, "LIVE_TICK_S", 0.01)
    hall = Hall()
    yield hall
    await hall.live.close()
    await tasks.cancel(*hall.answering)
    await clock.sleep(0.02)
    assert not hall.seats.hearers


async def test_a_viewer_is_let_in_whatever_page_it_is_on_and_hears_what_changes(hall):
    line = await hall.open()
    assert line.sent == [{"type": "websocket.accept"}]
    hall.seats.change((3, 1))
    await clock.sleep(0.05)
    assert line.texts == [{"v": 101, "etag": "101-0102", "seats": [[3, 1]]}]


async def test_all_viewers_of_an_event_share_a_listener_that_ends_with_the_last(hall):
    before = viewers._value.get()
    lines = [await hall.open() for _ in range(3)]
    assert len(hall.seats.hearers) == 1
    assert viewers._value.get() == before + 3
    for line in lines:
        line.hang_up()
    await clock.sleep(0.05)
    assert not hall.seats.hearers
    assert viewers._value.get() == before
    assert all(task.done() for task in hall.answering)


async def test_a_process_that_ends_closes_the_maps_of_all_events(hall):
    lines = [await hall.open(f"/api/v1/events/{event}/live") for event in EVENTS]
    await hall.live.close()
    await clock.sleep(0.02)
    assert [line.last["code"] for line in lines] == [1013] * len(EVENTS)


async def test_a_resync_ends_the_stream(hall):
    line = await hall.open(query="since=99-ffff")
    await clock.sleep(0.02)
    assert line.texts == [{"resync": True, "v": 100, "etag": "100-0102"}]
    assert line.last == {"type": "websocket.close", "code": 1000, "reason": ""}


async def test_the_etag_may_come_with_its_quotes(hall):
    line = await hall.open(query="since=%22100-0102%22")
    assert line.sent == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("query", ["", "since=", "since=-1-ff", "since=1-xyz", f"since={'9' * 21}-ff"])
async def test_a_mark_that_is_none_is_refused(hall, query):
    assert (await hall.open(query=query)).denied()[:2] == (422, "invalid_request")


async def test_a_version_without_an_epoch_can_be_compared_with_nothing(hall):
    assert (await hall.open(query="since=100")).texts[0]["resync"]


async def test_an_unknown_event_is_refused_as_over_http(hall):
    line = await hall.open("/api/v1/events/99/live")
    status, code, headers = line.denied()
    assert (status, code) == (404, "event_not_found")
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"x-content-type-options"] == b"nosniff"


async def test_an_unknown_address_is_refused(hall):
    assert (await hall.open("/somewhere")).denied()[:2] == (404, "not_found")


async def test_an_event_that_is_not_on_sale_is_refused(hall):
    hall.seats.states = []
    assert (await hall.open()).denied()[:2] == (409, "not_on_sale")


async def test_the_database_away_is_503(hall):
    hall.seats.away = True
    status, code, headers = (await hall.open()).denied()
    assert (status, code, headers[b"retry-after"]) == (503, "unavailable", b"1")


async def test_beyond_the_bound_a_viewer_is_told_to_come_later(hall, monkeypatch):
    monkeypatch.setattr(limits, "LIVE_VIEWERS_MAX", 3)
    monkeypatch.setattr(limits, "LIVE_VIEWERS_PER_EVENT_MAX", 2)
    inside = [await hall.open() for _ in range(2)]
    status, code, headers = (await hall.open()).denied()
    assert (status, code, headers[b"retry-after"]) == (503, "too_many_viewers", b"15")
    # The most popular event leaves others a place.
    other = f"/api/v1/events/{EVENT + 1}/live"
    assert (await hall.open(other)).sent == [{"type": "websocket.accept"}]
    assert (await hall.open(other)).denied()[:2] == (503, "too_many_viewers")
    inside[0].hang_up()
    await clock.sleep(0.02)
    assert (await hall.open()).sent == [{"type": "websocket.accept"}]


async def test_a_server_that_cannot_deny_closes_instead(hall):
    line = await hall.open("/api/v1/events/99/live", extensions={})
    assert line.sent == [{"type": "websocket.close", "code": 1013, "reason": "event_not_found"}]


async def test_who_says_something_is_let_go(hall):
    line = await hall.open()
    line.to_app.put_nowait({"type": "websocket.receive", "text": "hello"})
    await clock.sleep(0.02)
    assert (line.last["type"], line.last["code"]) == ("websocket.close", 1008)


async def test_who_takes_nothing_holds_up_nobody_and_then_gets_all_at_once(hall):
    stuck, quick = await hall.open(), await hall.open()
    stuck.writable.clear()
    for seat_no in range(4):
        hall.seats.change((seat_no, 1))
        await clock.sleep(0.03)
    assert len(quick.texts) == 4
    stuck.writable.set()
    await clock.sleep(0.03)
    first, second = stuck.texts
    assert first["seats"] == [[0, 1]]
    assert second["seats"] == [[1, 1], [2, 1], [3, 1]]


async def test_who_is_gone_while_a_message_is_under_way_is_no_error(hall, caplog, capsys):
    line = await hall.open()
    line.gone = True
    hall.seats.change((1, 1))
    await clock.sleep(0.05)
    assert hall.answering[0].done()
    assert "task_died" not in capsys.readouterr().err


async def test_a_bug_is_told_by_a_close_code_and_counted(hall, monkeypatch):
    async def broken(channel, mark):
        raise ZeroDivisionError

    before = http_requests.labels("live", 500)._value.get()
    monkeypatch.setattr("onsale.live.channel.Channel.after", broken)
    line = await hall.open()
    await hall.answering[0]
    assert (line.last["code"], line.last["reason"]) == (1011, "internal_error")
    assert http_requests.labels("live", 500)._value.get() == before + 1


async def test_shards_do_not_share_a_channel(hall):
    await hall.open()
    await hall.open(f"/api/v1/events/{EVENT + 1}/live")
    assert set(hall.live._channels) == {ids.shard_of(EVENT), ids.shard_of(EVENT + 1)}
