"""The pages in process: nothing a stranger typed becomes markup, and every answer carries what keeps a browser safe."""

import gzip
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import httpx
import pytest

from onsale import app, mount, ops
from onsale.catalog import Season, demo_season
from onsale.config import Settings
from onsale.kit import clock
from onsale.web import Statics

pytestmark = pytest.mark.anyio

HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"'{{7*7}}"""
SEATS = 80
HTML = {"accept": "text/html"}
# The development mailbox is shown to nobody who calls us by another name.
HERE = "http://127.0.0.1"
# Marks of HOSTILE that are harmless only when they are escaped.
RAW = ("<script>alert", "<img src=x", "{{7*7}}".replace("7*7", "49"))


@dataclass
class Shop:
    client: httpx.AsyncClient
    house: app.House
    event: int

    async def page(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**HTML, **headers}, follow_redirects=True)


@pytest.fixture
async def shop(database_url: str, redis_url: str, tmp_path) -> AsyncIterator[Shop]:
    """A shop with one event, whose every text is hostile."""
    house = app.build(
        Settings(database_url=database_url, redis_url=redis_url, secret_key="s" * 32, gateway_url="http://127.0.0.1:1")
    )
    whole = demo_season(clock.utcnow())
    place = next(number for number, venue in enumerate(whole.venues) if venue.seats == SEATS)
    venue = replace(whole.venues[place], venue=replace(whole.venues[place].venue, name=HOSTILE, address=HOSTILE))
    event = next(event for event in whole.events if event.venue == place and event.said is None)
    event = replace(event, venue=0, title=HOSTILE, summary=HOSTILE, description=HOSTILE, organiser=HOSTILE)
    transport = httpx.ASGITransport(mount_web(house), raise_app_exceptions=False)
    async with house.open(), httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        await ops.seed(house.catalog, house.sales, Season((venue,), (event,)), lambda *_: None)
        found = (await client.get("/api/v1/events")).json()["items"][0]["id"]
        yield Shop(client, house, found)


def mount_web(house: app.House):
    return app.web(house, mount.Role.ALL)


def harmless(page: httpx.Response) -> None:
    assert page.headers["content-type"].startswith("text/html")
    for mark in RAW:
        assert mark not in page.text, f"{mark} stands in {page.url}"
    Elements().feed(page.text)


class Elements(HTMLParser):
    """Reads a page as a browser does: a value that ended its attribute would show as an attribute nobody wrote."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        assert not {name for name in names if name.startswith("on")}, (tag, attrs)
        assert tag != "script" or "src" in names, "a script of its own"
        assert dict(attrs).get("src") != "x"


async def test_hostile_texts_of_an_event_are_escaped_on_every_page(shop):
    token = (await shop.client.post("/api/v1/session", json={})).json()["token"]
    shop.client.headers["authorization"] = f"Bearer {token}"
    hold = (await shop.client.post(f"/api/v1/events/{shop.event}/holds", json={"best": {"quantity": 1}})).json()
    order = await shop.client.post("/api/v1/orders", json={"holds": [hold["id"]], "email": "o'neil&co@example.org"})
    assert order.status_code == 201
    body = order.json()
    for path in ("/", f"/?q={HOSTILE}", f"/events/{shop.event}", f"/orders/{body['id']}?secret={body['secret']}"):
        page = await shop.page(path)
        assert page.status_code == 200, path
        harmless(page)
        assert "&lt;" in page.text, "it was shown, and escaped"
        assert "o'neil&co" not in page.text


async def test_what_a_visitor_types_comes_back_escaped(shop):
    for path, form in (
        ("/sign-in", {"email": HOSTILE}),
        ("/sign-in/code", {"email": HOSTILE, "code": HOSTILE}),
    ):
        page = await shop.client.post(path, data=form, headers=HTML)
        assert page.status_code in (401, 403, 422), path
        harmless(page)
    for path in (f"/{HOSTILE}", f"/orders/{HOSTILE}", f"/events/{HOSTILE}", f"/?sort={HOSTILE}"):
        page = await shop.page(path)
        assert page.status_code in (404, 422), path
        harmless(page)


async def test_a_hostile_letter_is_shown_in_a_frame_without_rights(shop):
    await shop.house.mailbox.put("x@example.org", HOSTILE, HOSTILE, f"<p>{HOSTILE}</p>", [HOSTILE])
    listed = await shop.page(f"{HERE}/dev/mailbox")
    harmless(listed)
    link = re.search(r'href="(/dev/mailbox/\d+)"', listed.text)
    assert link is not None
    address = link.group(1)
    page = await shop.page(f"{HERE}{address}")
    harmless(page)
    assert re.search(rf'<iframe [^>]*sandbox src="{address}/html"', page.text)
    letter = await shop.page(f"{HERE}{address}/html")
    policy = letter.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script" not in policy


@pytest.mark.parametrize(
    ("address", "peer", "headers"),
    [
        (HERE, "192.0.2.7", {}),
        ("http://shop.test", "127.0.0.1", {}),
        ("http://127.0.0.1.evil.test", "127.0.0.1", {}),
        (HERE, "127.0.0.1", {"host": "[evil"}),
        (HERE, "127.0.0.1", {"x-forwarded-for": "192.0.2.7"}),
        (HERE, "127.0.0.1", {"x-forwarded-proto": "https"}),
        (HERE, "127.0.0.1", {"forwarded": "for=192.0.2.7"}),
    ],
)
async def test_the_mailbox_is_closed_to_whoever_is_not_at_this_machine(shop, address, peer, headers):
    await shop.house.mailbox.put("x@example.org", "Your code", "123456", "<p>123456</p>", [])
    web = mount_web(shop.house)

    async def asked(path: str, address: str, peer: str, headers: dict[str, str]) -> int:
        transport = httpx.ASGITransport(web, client=(peer, 1234))
        async with httpx.AsyncClient(transport=transport, base_url=address) as browser:
            return (await browser.get(path, headers={**HTML, **headers})).status_code

    for path in ("/dev/mailbox", "/dev/mailbox/1", "/dev/mailbox/1/html"):
        assert await asked(path, HERE, "127.0.0.1", {}) == await asked(path, "http://[::1]:8000", "::1", {}) == 200
        assert await asked(path, address, peer, headers) == 404


async def test_every_answer_carries_the_security_headers(shop):
    statics = Statics()
    paths = ["/", "/sign-in", "/docs", "/nothing", "/healthz", "/api/v1/events", "/api/v1/events/999", "/openapi.json"]
    paths += [statics.address("css/base.css"), f"/api/v1/events/{shop.event}/availability", "/static/x/none.css"]
    for path in paths:
        for accept in ("text/html", "application/json"):
            answer = await shop.client.get(path, headers={"accept": accept})
            assert "default-src 'self'" in answer.headers["content-security-policy"], path
            assert "unsafe" not in answer.headers["content-security-policy"], path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["referrer-policy"] == "same-origin", path


async def test_pages_hold_no_script_or_style_of_their_own(shop):
    """The policy forbids them, so one that slipped in would silently not work."""
    for path in ("/", f"/events/{shop.event}", "/sign-in", "/docs", "/docs/errors", f"{HERE}/dev/mailbox", "/nothing"):
        page = await shop.page(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=\"|\son[a-z]+=\"|javascript:", page.text), path


async def test_static_files_are_kept_for_ever_and_travel_small(shop):
    statics = Statics()
    address = statics.address("map/main.js")
    plain = await shop.client.get(address, headers={"accept-encoding": "identity"})
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "content-encoding" not in plain.headers
    async with shop.client.stream("GET", address, headers={"accept-encoding": "gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2

    unwanted = await shop.client.get(address, headers={"accept-encoding": "br, gzip;q=0"})
    assert "content-encoding" not in unwanted.headers, "who refuses gzip by its quality gets none"
    older = await shop.client.get(address.replace(statics.version, "0" * 16))
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-store")
    for path in ("none.js", "../pages.py", "%2e%2e/pages.py", "css"):
        answer = await shop.client.get(f"/static/{statics.version}/{path}", follow_redirects=True)
        assert answer.status_code == 404, path
    assert (await shop.client.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"


async def test_head_answers_like_get(shop):
    """Those who check links and look after uptime ask so."""
    for path in ("/", "/docs", "/favicon.ico", f"/api/v1/events/{shop.event}/availability"):
        got, head = await shop.client.get(path, headers=HTML), await shop.client.head(path, headers=HTML)
        assert head.status_code == got.status_code == 200, path
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_another_sites_form_cannot_write_with_our_cookie(shop):
    for path in ("/sign-out", "/sign-in", "/orders/ord_x/pay", "/api/v1/session"):
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}, {"origin": "null"}):
            answer = await shop.client.post(path, data={"email": "a@example.org"}, headers=headers)
            assert answer.status_code == 403, (path, headers)
            assert answer.json()["code"] == "cross_site_request"
    same = await shop.client.post("/sign-out", headers={"origin": "http://shop.test"})
    assert same.status_code == 303


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nothing", 404, "not_found"),
        ("/events/999999", 404, "event_not_found"),
        ("/orders/ord_nothing", 404, "order_not_found"),
        ("/?status=SLEEPING", 422, "invalid_request"),
    ],
)
async def test_an_error_is_a_page_for_people_and_a_problem_for_programs(shop, path, status, code):
    page = await shop.page(path)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert f"{status} · {code}" in page.text
    assert 'href="/"' in page.text
    told = await shop.client.get(path, headers={"accept": "application/json"})
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert told.json()["code"] == code
    assert told.json()["type"] == f"/docs/errors#{code}"


async def test_the_api_answers_problems_even_to_a_browser(shop):
    told = await shop.client.get("/api/v1/events/999999", headers=HTML)
    assert told.headers["content-type"] == "application/problem+json"


async def test_a_bug_is_a_page_with_a_reference_and_nothing_else(shop, monkeypatch):
    async def broken(*_: object) -> None:
        raise ValueError("the secret inside")

    monkeypatch.setattr(type(shop.house.catalog), "list", broken)
    page = await shop.page("/")
    assert page.status_code == 500
    assert "This is our fault, not yours" in page.text
    assert re.search(r"reference [0-9a-f]{12}", page.text)
    assert "secret inside" not in page.text


async def test_a_page_of_a_person_is_kept_by_no_cache(shop):
    for path in ("/", f"/events/{shop.event}", "/sign-in"):
        assert (await shop.page(path)).headers["cache-control"] == "private, no-store"


async def test_an_event_has_one_address(shop):
    answer = await shop.client.get(f"/events/{shop.event}-another-name", headers=HTML)
    assert answer.status_code == 308
    assert answer.headers["location"].startswith(f"/events/{shop.event}-")
