"""Bad input at the hot endpoints: a problem with a stable code each time, and not a row more than before."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.conftest import Clones
from tests.integration.world import EMAIL, SEATS, Fan, World, refused, world

from onsale import limits
from onsale.kit import ids
from onsale.kit.embedded import Addresses

pytestmark = pytest.mark.anyio

UNKNOWN_HOLD = ids.public("hld", ids.ShardId(64), 1)
UNKNOWN_ORDER = ids.public("ord", ids.ShardId(64), 1)
HOLDS, ORDERS, PAYMENT = "/api/v1/events/{event}/holds", "/api/v1/orders", "/api/v1/orders/{order}/payment"
HOT = (HOLDS, ORDERS, PAYMENT)

Sending = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(scope="module")
async def shop(servers: Addresses, clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One world for all tests of this file: what is refused must leave it as it was."""
    database_url = clones.take()
    async with world(
        database_url, servers.redis_url, tmp_path_factory.mktemp("contract"), rate_holds_per_person_per_min=0
    ) as made:
        yield made


@pytest.fixture(scope="module")
async def ann(shop: World) -> Fan:
    return await shop.fan()


@pytest.fixture
async def send(post: Sending, shop: World) -> Sending:
    """POST, and look that nothing at all has changed."""

    async def sending(path: str, content: bytes | Any, method: str = "POST", **headers: str) -> httpx.Response:
        before = await shop.counts()
        response = await post(path, content, method, **headers)
        assert await shop.counts() == before, "a refused request left something behind"
        assert shop.gateway.asked == []
        return response

    return sending


@pytest.fixture(scope="module")
async def post(shop: World, ann: Fan) -> Sending:
    """POST to a hot endpoint of a world in which ann has a hold, and somebody else an order that can be paid."""
    hold = await ann.hold(5, 6)
    order = await (await shop.fan()).order(1)

    async def posting(path: str, content: bytes | Any, method: str = "POST", **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).replace("HELD", hold).encode()
        own = {"Content-Type": "application/json", **ann.headers} | {k.replace("_", "-"): v for k, v in headers.items()}
        sent = [(name.encode(), value.encode()) for name, value in own.items() if value != "none"]
        return await shop.client.request(method, path.format(event=shop.event, order=order), content=body, headers=sent)

    return posting


HOLD_WISHES: list[tuple[Any, int, str]] = [
    ({"seats": [SEATS]}, 422, "unknown_seat"),
    ({"seats": [0, SEATS + 1]}, 422, "unknown_seat"),
    ({"seats": [limits.CHART_SEATS_MAX - 1]}, 422, "unknown_seat"),
    ({"seats": [limits.CHART_SEATS_MAX]}, 422, "invalid_request"),
    ({"seats": [2**31]}, 422, "invalid_request"),
    ({"seats": [10**40]}, 422, "invalid_request"),
    ({"seats": [-1]}, 422, "invalid_request"),
    ({"seats": [3, 3]}, 422, "duplicate_seat"),
    ({"seats": []}, 422, "invalid_request"),
    ({"seats": list(range(9))}, 422, "too_many_seats"),
    ({"seats": list(range(1_000))}, 422, "invalid_request"),
    ({"seats": "3"}, 422, "invalid_request"),
    ({"seats": ["3"]}, 422, "invalid_request"),
    ({"seats": [1.5]}, 422, "invalid_request"),
    ({"seats": [True]}, 422, "invalid_request"),
    ({"seats": [None]}, 422, "invalid_request"),
    ({"seats": {"0": 1}}, 422, "invalid_request"),
    ({"seats": None}, 422, "invalid_request"),
    ({}, 422, "invalid_request"),
    ({"seats": [3], "best": {"quantity": 1}}, 422, "invalid_request"),
    ({"seats": [3], "extra": 1}, 422, "invalid_request"),
    ({"best": {"quantity": 0}}, 422, "invalid_request"),
    ({"best": {"quantity": 9}}, 422, "too_many_seats"),
    ({"best": {"quantity": 1_000}}, 422, "invalid_request"),
    ({"best": {"quantity": "2"}}, 422, "invalid_request"),
    ({"best": {"quantity": 2, "tier": 99}}, 404, "not_found"),
    ({"best": {"quantity": 2, "tier": -(2**62)}}, 404, "not_found"),
    ({"best": {"quantity": 2, "tier": "1"}}, 422, "invalid_request"),
    ({"best": {"quantity": 2, "section": "nowhere"}}, 404, "not_found"),
    ({"best": {"quantity": 2, "section": "\x00"}}, 404, "not_found"),
    ({"best": {"quantity": 2, "section": "x" * 101}}, 422, "invalid_request"),
    ({"best": []}, 422, "invalid_request"),
    ({"seats": [1]}, 409, "seats_taken"),
]


@pytest.mark.parametrize(("wish", "status", "code"), HOLD_WISHES)
async def test_seats_that_cannot_be_held_are_refused(send: Sending, wish: Any, status: int, code: str):
    refused(await send(HOLDS, wish), status, code)


@pytest.mark.parametrize(
    "event",
    ["999999", "0", "-1", "x", "1.0", "\u0661", "9" * 30, "9223372036854775807", "144115188075855871", "%00", "1 "],
)
async def test_an_event_that_does_not_exist_is_not_found(send: Sending, event: str):
    refused(await send(f"/api/v1/events/{event}/holds", {"seats": [1]}), 404, "event_not_found")


ORDER_WISHES: list[tuple[Any, int, str]] = [
    ({"holds": [UNKNOWN_HOLD], "email": EMAIL}, 404, "hold_not_found"),
    ({"holds": ["HELD", UNKNOWN_HOLD], "email": EMAIL}, 404, "hold_not_found"),
    ({"holds": [UNKNOWN_ORDER], "email": EMAIL}, 404, "hold_not_found"),
    ({"holds": ["hld_"], "email": EMAIL}, 404, "hold_not_found"),
    ({"holds": ["\x00"], "email": EMAIL}, 404, "hold_not_found"),
    ({"holds": ["hld_" + "z" * 26], "email": EMAIL}, 404, "hold_not_found"),
    ({"holds": ["x" * 65], "email": EMAIL}, 422, "invalid_request"),
    ({"holds": [], "email": EMAIL}, 422, "invalid_request"),
    ({"holds": ["HELD"] * 9, "email": EMAIL}, 422, "invalid_request"),
    ({"holds": "HELD", "email": EMAIL}, 422, "invalid_request"),
    ({"holds": [7], "email": EMAIL}, 422, "invalid_request"),
    ({"holds": ["HELD"]}, 422, "invalid_request"),
    ({"holds": ["HELD"], "email": None}, 422, "invalid_request"),
    ({"holds": ["HELD"], "email": ""}, 422, "invalid_email"),
    ({"holds": ["HELD"], "email": "ann"}, 422, "invalid_email"),
    ({"holds": ["HELD"], "email": "ann@example.org\r\nBcc: all@example.org"}, 422, "invalid_email"),
    ({"holds": ["HELD"], "email": "a\x00@example.org"}, 422, "invalid_email"),
    ({"holds": ["HELD"], "email": "\ud800@example.org"}, 400, "malformed_request"),
    ({"holds": ["HELD"], "email": "a" * 250 + "@example.org"}, 422, "invalid_request"),
    ({"holds": ["HELD"], "email": EMAIL, "phone": "call me"}, 422, "invalid_request"),
    ({"holds": ["HELD"], "email": EMAIL, "phone": "+420 123 456\n"}, 422, "invalid_request"),
    ({"holds": ["HELD"], "email": EMAIL, "phone": 123456}, 422, "invalid_request"),
    ({"holds": ["HELD"], "email": EMAIL, "total": 1}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("wish", "status", "code"), ORDER_WISHES)
async def test_orders_that_cannot_be_made_are_refused(send: Sending, wish: Any, status: int, code: str):
    refused(await send(ORDERS, wish), status, code)


PAYMENT_WISHES: list[tuple[str, Any, int, str]] = [
    (PAYMENT, {"method": "sandbox_ok"}, 404, "order_not_found"),  # It is somebody else's.
    (f"/api/v1/orders/{UNKNOWN_ORDER}/payment", {"method": "sandbox_ok"}, 404, "order_not_found"),
    (f"/api/v1/orders/{UNKNOWN_HOLD}/payment", {"method": "sandbox_ok"}, 404, "order_not_found"),
    ("/api/v1/orders/ord_/payment", {"method": "sandbox_ok"}, 404, "order_not_found"),
    ("/api/v1/orders/%00/payment", {"method": "sandbox_ok"}, 404, "order_not_found"),
    ("/api/v1/orders/" + "x" * 3_000 + "/payment", {"method": "sandbox_ok"}, 404, "order_not_found"),
    (PAYMENT, {}, 422, "invalid_request"),
    (PAYMENT, {"method": None}, 422, "invalid_request"),
    (PAYMENT, {"method": 1}, 422, "invalid_request"),
    (PAYMENT, {"method": "x" * 65}, 422, "invalid_request"),
    (PAYMENT, {"method": "sandbox_ok", "amount": 1}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("path", "wish", "status", "code"), PAYMENT_WISHES)
async def test_payments_that_cannot_be_made_are_refused(send: Sending, path: str, wish: Any, status: int, code: str):
    refused(await send(path, wish), status, code)


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"seats=1", b'{"seats"', b"\xff\xfe{}", b'{"\xff"', b"NaN", b"{'seats':[1]}"],
)
async def test_what_is_not_json_is_refused(send: Sending, path: str, body: bytes):
    refused(await send(path, body), 400, "malformed_request")


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"x"', b"true", b"[" * 9_000])
async def test_json_that_is_no_object_is_refused(send: Sending, path: str, body: bytes):
    refused(await send(path, body), 422, "invalid_request")


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("kind", ["none", "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_content_type_is_refused(send: Sending, path: str, kind: str):
    refused(await send(path, {"seats": [3]}, Content_Type=kind), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", HOT)
async def test_a_body_beyond_the_bound_is_refused(send: Sending, path: str):
    longest = json.dumps({"seats": [3]}).encode().ljust(limits.HOT_BODY_MAX_BYTES)
    assert (await send(path, longest + b" ")).status_code == 413
    refused(await send(path, longest + b" "), 413, "body_too_large")


async def test_a_body_at_the_bound_is_read(shop: World):
    longest = json.dumps({"seats": [10]}).encode().ljust(limits.HOT_BODY_MAX_BYTES)
    headers = {**(await shop.fan()).headers, "Content-Type": "application/json; charset=utf-8"}
    answer = await shop.client.post(f"/api/v1/events/{shop.event}/holds", content=longest, headers=headers)
    assert answer.status_code == 201


# --- who asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "wish"), [(HOLDS, {"seats": [3]}), (ORDERS, {"holds": ["HELD"], "email": EMAIL})])
async def test_without_a_good_session_nothing_is_taken(shop: World, ann: Fan, send: Sending, path: str, wish: Any):
    told = refused(await send(path, wish, Authorization="none"), 401, "session_required")
    assert told["title"]
    refused(await send(path, wish, Authorization="Basic YTpi"), 401, "session_required")
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    key_id, payload, signature = token.split(".")
    forged = (
        token[:-1],
        token[:-6],
        token[: len(token) // 2],
        f"{key_id}.{payload}",
        f"{key_id}.{payload}.",
        f"2.{payload}.{signature}",
        f"{key_id}.{payload[:-2]}AA.{signature}",
        f"{key_id}.{payload}.{signature[::-1]}",
        f"{key_id}.{payload}=.{signature}",
        "x" * 5_000,
        "..",
        "ключ",
    )
    for text in forged:
        response = await send(path, wish, Authorization=f"Bearer {text}")
        refused(response, 401, "invalid_session")
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_session_that_ran_out_is_refused(shop: World, monkeypatch: pytest.MonkeyPatch):
    wish, before = {"seats": [3]}, await shop.counts()
    with monkeypatch.context() as patch:
        patch.setattr(limits, "GUEST_SESSION_TTL_S", -1)
        late = await shop.fan()
    refused(await late.post(HOLDS.format(event=shop.event), wish), 401, "invalid_session")
    assert await shop.counts() == before


async def test_a_guest_does_not_buy_where_an_account_is_needed(shop: World):
    event = await shop.put_on_sale(guests=False)
    refused(await (await shop.fan()).take(3, event=event), 403, "account_required")


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://shop.test.evil.example"},
        {"Origin": "http://shop.test:8080"},
        {"Origin": "http://[::1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://shop.test"},
    ],
)
async def test_another_sites_page_cannot_use_our_cookie(ann: Fan, send: Sending, path: str, headers: dict[str, str]):
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    cookie = {"Authorization": "none", "Cookie": f"onsale_session={token}"}
    refused(await send(path, {"seats": [3]}, **cookie, **headers), 403, "cross_site_request")


async def test_our_own_page_uses_its_cookie(shop: World):
    token = (await shop.fan()).headers["Authorization"].removeprefix("Bearer ")
    headers = {"Cookie": f"onsale_session={token}", "Origin": "http://shop.test", "Sec-Fetch-Site": "same-origin"}
    answer = await shop.client.post(HOLDS.format(event=shop.event), json={"seats": [11]}, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("path", HOT)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET", "OPTIONS"])
async def test_another_method_is_refused(send: Sending, path: str, method: str):
    told = refused(await send(path, {"seats": [3]}, method), 405, "method_not_allowed")
    assert told["allowed"] == ["POST"]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [UNKNOWN_ORDER, UNKNOWN_HOLD, "ord_", "x", "%00", "ord_" + "z" * 26, "%2e%2e", "é"])
async def test_an_order_that_does_not_exist_is_not_there(shop: World, ann: Fan, order: str):
    refused(await ann.get(f"/api/v1/orders/{order}"), 404, "order_not_found")
    refused(await ann.get(f"/api/v1/orders/{order}/tickets.pdf"), 404, "order_not_found")


@pytest.mark.parametrize(("seat", "secret"), [(20, ""), (21, "x"), (22, "a" * 5_000), (23, "schlüssel")])
async def test_a_wrong_secret_shows_nothing(shop: World, bob: Fan, seat: int, secret: str):
    order = await (await shop.fan()).order(seat)
    headers = [(b"Onsale-Order-Secret", secret.encode()), (b"Authorization", bob.headers["Authorization"].encode())]
    refused(await shop.client.get(f"/api/v1/orders/{order}", headers=headers), 404, "order_not_found")
    payment = await shop.client.post(PAYMENT.format(order=order), json={"method": "sandbox_ok"}, headers=headers)
    refused(payment, 404, "order_not_found")
