"""The catalogue over HTTP, in process: the contract's shapes, caching, and refusals instead of faults."""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from onsale.accounts import Forbidden
from onsale.catalog import Catalog, EventStatus, NewVenue, generate_chart, store
from onsale.catalog.chart import encode
from onsale.catalog.routes import router
from onsale.kit import clock, db, ids, problems

pytestmark = pytest.mark.anyio

CHART = generate_chart("club", 80, "The Room")
DAY = timedelta(days=1)


class NeedsRole(Forbidden):
    code = "role_required_in_test"


async def require_role(request: Request, role: str) -> uuid.UUID:
    """Stands in for accounts: the test's headers say who asks."""
    if role not in request.headers.get("test-roles", "").split():
        raise NeedsRole
    return uuid.UUID(request.headers["test-person"])


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, problems.Problem)
    return Response(problems.encode(error), error.status, dict(problems.headers(error)))


@dataclass(frozen=True)
class Shop:
    client: httpx.AsyncClient
    catalog: Catalog
    organiser_id: int
    venue_id: int
    chart_hash: str
    ann: dict[str, str]
    bob: dict[str, str]

    def event(self, **changes: Any) -> dict[str, Any]:
        starts_at = clock.utcnow().replace(microsecond=0) + 7 * DAY
        zones = range(len(CHART.zones))
        tiers = [{"name": CHART.zones[z], "zones": [z], "face": 2000, "fee": 250, "colour": "#0072b2"} for z in zones]
        return {
            "organiser": self.organiser_id,
            "venue": self.venue_id,
            "chart": self.chart_hash,
            "genre": "Jazz",
            "title": "Trio Bleu",
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
            "opens_at": (starts_at - 8 * DAY).isoformat(),
            "closes_at": starts_at.isoformat(),
            "currency": "EUR",
            "tiers": tiers,
        } | changes

    async def listed(self, **changes: Any) -> dict[str, Any]:
        answer = await self.client.post("/api/v1/events", json=self.event(**changes), headers=self.ann)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
async def shop(database: db.Database) -> AsyncIterator[Shop]:
    catalog, ann, bob = Catalog(database), ids.new_person(), ids.new_person()
    organiser_id = await catalog.create_organiser("Alder Trust")
    await catalog.add_member(organiser_id, ann)
    venue = NewVenue(name="The Room", city="Lyon", country="FR", timezone="Europe/Paris")
    venue_id = await catalog.create_venue(venue)
    chart_hash = await catalog.add_chart(venue_id, CHART)
    app = FastAPI()

    async def say(event_id: int, said: EventStatus | None) -> None:
        async with database.transaction() as tx:
            await catalog.say(tx, event_id, said)
        catalog.forget(event_id)

    app.include_router(router(catalog, require_role, say))
    app.add_exception_handler(problems.Problem, _refused)
    transport = httpx.ASGITransport(app)
    people = [{"test-roles": "organiser", "test-person": str(person)} for person in (ann, bob)]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield Shop(client, catalog, organiser_id, venue_id, chart_hash, *people)


async def test_an_event_has_the_shape_of_the_contract(shop: Shop) -> None:
    made = await shop.listed()
    answer = await shop.client.get(f"/api/v1/events/{made['id']}")
    assert answer.headers["cache-control"] == "public, max-age=1"
    event = answer.json()
    assert event == made
    price = {"amount": 2250, "currency": "EUR"}
    assert event["tiers"][0] == {
        "id": 1,
        "name": CHART.zones[0],
        "zones": [0],
        "price": price,
        "face": {"amount": 2000, "currency": "EUR"},
        "fee": {"amount": 250, "currency": "EUR"},
        "colour": "#0072b2",
        "seats_left": None,
    }
    assert event["venue"] == {
        "id": shop.venue_id,
        "name": "The Room",
        "city": "Lyon",
        "country": "FR",
        "lat": None,
        "lon": None,
        "address": "",
    }
    assert event["chart"] == {"hash": shop.chart_hash, "url": f"/api/v1/charts/{shop.chart_hash}", "seats": 80}
    assert event["sale"]["hold_s"] == 300 and event["sale"]["line"] is False
    assert event["status"] == "UPCOMING" and event["on_sale_at"] == event["sale"]["opens_at"]
    assert event["starts_at"].endswith("Z") and event["timezone"] == "Europe/Paris"
    assert event["price_from"] == event["price_to"] == price


async def test_an_unchanged_event_is_not_sent_again(shop: Shop) -> None:
    path = f"/api/v1/events/{(await shop.listed())['id']}"
    etag = (await shop.client.get(path)).headers["etag"]
    for named in (etag, f'W/{etag}, "x"', "*"):
        answer = await shop.client.get(path, headers={"if-none-match": named})
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await shop.client.get(path, headers={"if-none-match": '"x"'})).status_code == 200


@pytest.mark.parametrize("text", ["0", "-1", "x", "1-a", "01", "999", "9" * 30, "%00", "1%0a", "%D9%A1", "1e3", "%ff"])
async def test_an_odd_id_is_not_found_and_never_a_fault(shop: Shop, text: str) -> None:
    await shop.listed()
    answer = await shop.client.get(f"/api/v1/events/{text}")
    assert (answer.status_code, answer.json()["code"]) == (404, "event_not_found")
    answer = await shop.client.patch(f"/api/v1/events/{text}", json={"said": None}, headers=shop.ann)
    assert (answer.status_code, answer.json()["code"]) == (404, "event_not_found")


async def test_a_list_goes_on_where_it_ended(shop: Shop) -> None:
    for number in range(3):
        await shop.listed(title=f"Night {number}")
    first = (
        await shop.client.get("/api/v1/events?q=night&city=&genre=&status=&from=&to=&sort=&cursor=&limit=2")
    ).json()
    second = (await shop.client.get("/api/v1/events", params={"cursor": first["next"], "limit": 2})).json()
    assert [item["title"] for item in first["items"] + second["items"]] == ["Night 0", "Night 1", "Night 2"]
    assert second["next"] is None
    assert set(first["items"][0]) == {
        *("id", "title", "slug", "genre", "starts_at", "on_sale_at", "status", "venue"),
        *("price_from", "price_to", "seats_left", "image"),
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("cursor=x", 400),
        ("cursor=%00", 400),
        ("limit=0", 422),
        ("limit=101", 422),
        ("status=MAYBE", 422),
        ("sort=price", 422),
        ("from=soon", 422),
        ("from=0001-01-01T00:00:00%2B14:00", 422),
        ("to=9999-12-31T23:59:59-14:00", 422),
        ("q=" + "x" * 201, 422),
        ("q=%00%25", 200),
        ("city=%00", 200),
        ("genre=%00", 200),
        ("from=2027-06-01&to=2027-06-02T00:00:00Z", 200),
        ("status=ENDED", 200),
    ],
)
async def test_a_question_is_answered_or_refused(shop: Shop, query: str, status: int) -> None:
    assert (await shop.client.get(f"/api/v1/events?{query}")).status_code == status


async def test_a_chart_is_cached_for_ever_in_both_forms(shop: Shop) -> None:
    path = f"/api/v1/charts/{shop.chart_hash}"
    plain = await shop.client.get(path, headers={"accept-encoding": "identity"})
    assert plain.content == encode(CHART)
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in plain.headers
    packed = plain
    for accepted in ("gzip", "br, gzip;q=0.5", "*"):
        packed = await shop.client.get(path, headers={"accept-encoding": accepted})
        assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    refused = await shop.client.get(path, headers={"accept-encoding": "*, gzip;q=0.0"})
    assert "content-encoding" not in refused.headers
    again = await shop.client.get(path, headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]})
    assert again.status_code == 304 and again.headers["vary"] == "accept-encoding"
    assert gzip.decompress(await shop.catalog.chart_body(shop.chart_hash, gzipped=True)) == plain.content


@pytest.mark.parametrize("chart", ["a" * 64, "A" * 64, "x", "%00" * 64, "a" * 500])
async def test_an_unknown_chart_is_not_found(shop: Shop, chart: str) -> None:
    answer = await shop.client.get(f"/api/v1/charts/{chart}")
    assert (answer.status_code, answer.json()["code"]) == (404, "chart_not_found")


async def test_only_members_list_and_change_events_of_their_organiser(shop: Shop) -> None:
    body = shop.event()
    for headers, code in (({}, "role_required_in_test"), (shop.bob, "not_your_event")):
        answer = await shop.client.post("/api/v1/events", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
    path = f"/api/v1/events/{(await shop.listed())['id']}"
    for headers in ({}, shop.bob):
        assert (await shop.client.patch(path, json={"said": "CANCELLED"}, headers=headers)).status_code == 403
    assert (await shop.client.get(path)).json()["status"] == "UPCOMING"


async def test_an_event_is_cancelled_and_the_word_taken_back(shop: Shop) -> None:
    path = f"/api/v1/events/{(await shop.listed())['id']}"
    for said, status in (("CANCELLED", "CANCELLED"), ("POSTPONED", "POSTPONED"), (None, "UPCOMING")):
        answer = await shop.client.patch(path, json={"said": said}, headers=shop.ann)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert answer.headers["cache-control"] == "no-store"
    for body in ({"said": "ENDED"}, {}, {"said": None, "title": "x"}):
        assert (await shop.client.patch(path, json=body, headers=shop.ann)).status_code == 422


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"venue": 999}, 404),
        ({"venue": 2**63}, 422),
        ({"chart": "\0"}, 404),
        ({"organiser": 999}, 403),
        ({"title": "\0"}, 422),
        ({"title": "😀 party 👩\u200d🎤"}, 201),
        ({"chart": None}, 422),
        ({"chart": None, "tiers": []}, 201),
        ({"tiers": []}, 422),
        ({"starts_at": "2027-06-01T20:00:00"}, 422),
        ({"starts_at": "9999-12-31T23:59:59-12:00"}, 422),
        ({"hold_s": 10**12}, 422),
        ({"currency": "eu"}, 422),
        ({"surprise": 1}, 422),
    ],
)
async def test_a_new_event_is_made_or_refused(shop: Shop, changes: dict[str, Any], status: int) -> None:
    answer = await shop.client.post("/api/v1/events", json=shop.event(**changes), headers=shop.ann)
    assert answer.status_code == status, answer.text


async def test_a_repeated_request_makes_no_second_event(shop: Shop) -> None:
    body, headers = shop.event(), shop.ann | {"idempotency-key": "k1"}
    answers = [await shop.client.post("/api/v1/events", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[0].headers["location"] == f"/api/v1/events/{answers[0].json()['id']}"
    other = await shop.client.post("/api/v1/events", json=body | {"title": "Else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_venues_and_their_charts_are_added(shop: Shop) -> None:
    venue = {"name": "The Barn", "city": "Bern", "country": "CH", "timezone": "Europe/Zurich", "lat": 46.9, "lon": 7.4}
    made = await shop.client.post("/api/v1/venues", json=venue, headers=shop.ann)
    assert (made.status_code, made.json()["slug"]) == (201, "the-barn-bern")
    taken = await shop.client.post("/api/v1/venues", json=venue, headers=shop.ann)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    path = f"/api/v1/venues/{made.json()['id']}/charts"
    chart = await shop.client.post(path, content=encode(CHART), headers=shop.ann)
    assert chart.status_code == 201 and chart.json()["hash"] == shop.chart_hash and chart.json()["seats"] == 80
    for content in (b"", b"{}", b"[" * 100_000, b"\xff", encode(CHART).replace(b'"seats":80', b'"seats":81')):
        answer = await shop.client.post(path, content=content, headers=shop.ann)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_chart")
    large = await shop.client.post(path, content=b" " * (4 * 1024 * 1024 + 1), headers=shop.ann)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    for number in ("999", "x", "9" * 40):
        answer = await shop.client.post(f"/api/v1/venues/{number}/charts", content=encode(CHART), headers=shop.ann)
        assert (answer.status_code, answer.json()["code"]) == (404, "venue_not_found")


async def test_operators_admit_organisers(shop: Shop) -> None:
    assert (await shop.client.post("/api/v1/organisers", json={"name": "New"}, headers=shop.ann)).status_code == 403
    operator = shop.ann | {"test-roles": "operator"}
    made = await shop.client.post("/api/v1/organisers", json={"name": "New"}, headers=operator)
    assert (made.status_code, made.json()["slug"]) == (201, "new")
    assert (await shop.client.post("/api/v1/organisers", json={"name": "?"}, headers=operator)).status_code == 422


async def test_operators_cancel_the_events_of_every_organiser(shop: Shop) -> None:
    path = f"/api/v1/events/{(await shop.listed())['id']}"
    operator = shop.bob | {"test-roles": "operator"}
    answer = await shop.client.patch(path, json={"said": "CANCELLED"}, headers=operator)
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    refused = await shop.client.patch(path, json={"said": None}, headers=shop.bob)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_event")


async def test_whatever_an_organiser_makes_with_a_key_is_made_once(shop: Shop) -> None:
    """A repeat gets the id, which is what an answer that got lost was asked for."""
    venue = {"name": "The Barn", "city": "Bern", "country": "CH", "timezone": "Europe/Zurich"}
    operator = shop.ann | {"test-roles": "operator organiser"}
    charts = f"/api/v1/venues/{shop.venue_id}/charts"
    asked: list[tuple[str, bytes, bytes]] = [
        ("/api/v1/organisers", b'{"name": "New"}', b'{"name": "Newer"}'),
        ("/api/v1/venues", json.dumps(venue).encode(), json.dumps(venue | {"name": "The Yard"}).encode()),
        (charts, encode(CHART), encode(generate_chart("club", 90, "The Room"))),
    ]
    for path, body, another in asked:
        headers = operator | {"idempotency-key": "k1", "content-type": "application/json"}
        answers = [await shop.client.post(path, content=body, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201], answers[1].text
        assert answers[0].json() == answers[1].json()
        other = await shop.client.post(path, content=another, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
        bad = await shop.client.post(path, content=body, headers=headers | {"idempotency-key": "k" * 129})
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")


async def test_a_crowd_that_browses_asks_the_database_once_a_second(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists take one connection at a time, so the others stay free for who takes seats."""
    await shop.listed()
    reads, under_way, most = [], 0, 0
    read = store.list_events

    async def counted(*args: Any) -> Any:
        nonlocal under_way, most
        reads.append(args)
        under_way += 1
        most = max(most, under_way)
        found = await read(*args)
        under_way -= 1
        return found

    monkeypatch.setattr(store, "list_events", counted)
    same = await asyncio.gather(*(shop.client.get("/api/v1/events") for _ in range(50)))
    assert {answer.status_code for answer in same} == {200} and len(same[0].json()["items"]) == 1
    assert len(reads) == 1
    await asyncio.gather(*(shop.client.get("/api/v1/events", params={"q": f"n{number}"}) for number in range(20)))
    assert len(reads) == 21 and most == 1


async def test_times_are_sent_in_utc(shop: Shop) -> None:
    starts_at = (clock.utcnow() + 7 * DAY).replace(microsecond=0)
    paris = starts_at.astimezone(ZoneInfo("Europe/Paris")).isoformat()
    made = await shop.listed(starts_at=paris, closes_at=paris)
    assert made["starts_at"] == starts_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
