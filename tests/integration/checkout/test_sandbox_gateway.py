"""The sandbox gateway and its adapter together: money moves once, whatever is repeated; the book outlives a crash."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from onsale.checkout.gateways import GatewayState, Intent, SandboxGateway, sandbox_limits
from onsale.checkout.gateways.sandbox_server import SandboxApp, sandbox_app

pytestmark = pytest.mark.anyio

KEY = "sk_sandbox_test"
INTENT = Intent("ord_1", 1, 5_000, "EUR", "sandbox_ok", "2 tickets, Aurora Stadium")
FORM = {
    "amount": "5000",
    "currency": "eur",
    "payment_method": "sandbox_ok",
    "confirm": "true",
    "capture_method": "manual",
    "metadata[order]": "ord_1",
    "metadata[attempt]": "1",
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[SandboxApp]:
    app = sandbox_app(tmp_path / "book.sqlite")
    yield app
    app.book.close()


@pytest.fixture
async def gateway(app: SandboxApp) -> AsyncIterator[SandboxGateway]:
    gateway = SandboxGateway("http://sandbox", KEY, transport=httpx.ASGITransport(app))
    yield gateway
    await gateway.close()


@pytest.fixture
async def client(app: SandboxApp) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sandbox", headers=headers
    ) as client:
        yield client


async def _book(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    response = await client.get("/book")
    assert response.status_code == 200
    items: list[dict[str, Any]] = response.json()["items"]
    return items


# --- once ---------------------------------------------------------------------------------------------------------


async def test_a_repeated_request_gets_the_same_bytes_and_charges_once(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/payment_intents", data=FORM, headers={"Idempotency-Key": "ord_1:1"})
    again = await client.post("/v1/payment_intents", data=FORM, headers={"Idempotency-Key": "ord_1:1"})
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await _book(client)) == 1


async def test_fields_in_another_order_are_the_same_request(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "ord_1:1"}
    first = await client.post("/v1/payment_intents", data=FORM, headers=headers)
    again = await client.post("/v1/payment_intents", data=dict(reversed(FORM.items())), headers=headers)
    assert first.content == again.content


async def test_a_key_that_comes_with_another_amount_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "ord_1:1"}
    await client.post("/v1/payment_intents", data=FORM, headers=headers)
    other = await client.post("/v1/payment_intents", data={**FORM, "amount": "1"}, headers=headers)
    assert other.status_code == 400
    assert other.json()["error"]["type"] == "idempotency_error"
    assert [charge["amount"] for charge in await _book(client)] == [5_000]


async def test_a_key_used_for_other_parameters_leaves_the_outcome_unknown(gateway: SandboxGateway) -> None:
    """What the first request did is what counts, and this answer does not say it."""
    await gateway.authorise(INTENT)
    assert (await gateway.authorise(replace(INTENT, amount_minor=1))).state == GatewayState.UNKNOWN
    assert [(known.state, known.amount_minor) for known in await gateway.status("ord_1")] == [
        (GatewayState.AUTHORISED, 5_000)
    ]


async def test_concurrent_duplicates_charge_once_and_hear_the_one_answer(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "ord_1:1"}
    answers = await asyncio.gather(*(client.post("/v1/payment_intents", data=FORM, headers=headers) for _ in range(50)))
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(await _book(client)) == 1


async def test_without_a_key_each_request_is_a_charge_as_at_any_gateway(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await client.post("/v1/payment_intents", data=FORM)).status_code == 200
    assert len(await _book(client)) == 2


async def test_a_request_that_was_not_understood_uses_up_no_key(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "ord_1:1"}
    wrong = await client.post("/v1/payment_intents", data={**FORM, "amount": "free"}, headers=headers)
    assert wrong.status_code == 400
    assert (await client.post("/v1/payment_intents", data=FORM, headers=headers)).status_code == 200


# --- the verbs ----------------------------------------------------------------------------------------------------


async def test_a_payment_is_authorised_then_captured(gateway: SandboxGateway) -> None:
    authorised = await gateway.authorise(INTENT)
    assert authorised.state == GatewayState.AUTHORISED
    assert (authorised.amount_minor, authorised.attempt) == (5_000, 1)
    captured = await gateway.capture(authorised.ref, "ord_1:1:capture")
    assert captured == replace(authorised, state=GatewayState.CAPTURED)
    assert await gateway.status("ord_1") == [captured]


@pytest.mark.parametrize("key", ["ord_1:1:capture", "ord_1:1:capture:again"])
async def test_capturing_twice_is_harmless_under_the_same_key_and_under_another(
    gateway: SandboxGateway, client: httpx.AsyncClient, key: str
) -> None:
    ref = (await gateway.authorise(INTENT)).ref
    await gateway.capture(ref, "ord_1:1:capture")
    again = await gateway.capture(ref, key)
    assert (again.state, again.amount_minor) == (GatewayState.CAPTURED, 5_000)
    assert [charge["captured"] for charge in await _book(client)] == [5_000]


async def test_voiding_gives_up_the_reservation_and_twice_is_harmless(
    gateway: SandboxGateway, client: httpx.AsyncClient
) -> None:
    ref = (await gateway.authorise(INTENT)).ref
    for key in ("ord_1:1:void", "ord_1:1:void", "another"):
        assert (await gateway.void(ref, key)).state == GatewayState.VOIDED
    assert (await gateway.capture(ref, "ord_1:1:capture")).state == GatewayState.VOIDED
    assert [(charge["state"], charge["captured"]) for charge in await _book(client)] == [("canceled", 0)]


async def test_a_void_that_comes_after_the_capture_is_told_that_it_was_captured(
    gateway: SandboxGateway,
) -> None:
    ref = (await gateway.authorise(INTENT)).ref
    await gateway.capture(ref, "ord_1:1:capture")
    outcome = await gateway.void(ref, "ord_1:1:void")
    assert (outcome.state, outcome.ref, outcome.amount_minor) == (GatewayState.CAPTURED, ref, 5_000)
    assert "status of succeeded" in outcome.message


async def test_refunds_add_up_and_the_one_above_what_is_left_is_refused(
    gateway: SandboxGateway, client: httpx.AsyncClient
) -> None:
    ref = (await gateway.authorise(INTENT)).ref
    await gateway.capture(ref, "ord_1:1:capture")
    part = await gateway.refund(ref, 2_000, "ord_1:1:refund:1")
    assert (part.state, part.refunded_minor, part.amount_minor) == (GatewayState.REFUNDED, 2_000, 5_000)
    assert await gateway.refund(ref, 2_000, "ord_1:1:refund:1") == part
    above = await gateway.refund(ref, 3_001, "ord_1:1:refund:2")
    assert (above.state, above.refunded_minor) == (GatewayState.REFUSED, 2_000)
    rest = await gateway.refund(ref, 3_000, "ord_1:1:refund:3")
    assert (rest.state, rest.refunded_minor) == (GatewayState.REFUNDED, 5_000)
    nothing_left = await gateway.refund(ref, 1, "ord_1:1:refund:4")
    assert (nothing_left.state, nothing_left.decline_code) == (
        GatewayState.REFUSED,
        "charge_already_refunded",
    )
    assert [charge["refunded"] for charge in await _book(client)] == [5_000]


async def test_what_was_not_captured_is_not_refunded(gateway: SandboxGateway) -> None:
    ref = (await gateway.authorise(INTENT)).ref
    assert (await gateway.refund(ref, 1, "ord_1:1:refund")).state == GatewayState.AUTHORISED


async def test_a_declined_attempt_says_why_and_the_next_attempt_may_succeed(gateway: SandboxGateway) -> None:
    declined = await gateway.authorise(replace(INTENT, method="sandbox_declined"))
    assert (declined.state, declined.decline_code) == (GatewayState.DECLINED, "generic_decline")
    assert declined.message == "Your card was declined."
    assert (await gateway.authorise(replace(INTENT, method="sandbox_declined"))) == declined
    assert (await gateway.authorise(replace(INTENT, attempt=2))).state == GatewayState.AUTHORISED
    assert [(known.attempt, known.state) for known in await gateway.status("ord_1")] == [
        (1, GatewayState.DECLINED),
        (2, GatewayState.AUTHORISED),
    ]


async def test_what_nobody_knows_is_not_found_and_the_same_key_may_find_it_later(
    gateway: SandboxGateway,
) -> None:
    assert await gateway.status("ord_none") == []
    assert (await gateway.capture("pi_none", "ord_1:1:capture")).state == GatewayState.NOT_FOUND
    assert (await gateway.void("pi_none", "ord_1:1:void")).state == GatewayState.NOT_FOUND
    assert (await gateway.refund("pi_none", 1, "ord_1:1:refund")).state == GatewayState.NOT_FOUND
    ref = (await gateway.authorise(INTENT)).ref
    assert (await gateway.capture(ref, "ord_1:1:capture:2")).state == GatewayState.CAPTURED


async def test_an_unknown_method_or_currency_is_refused_and_charges_nothing(gateway: SandboxGateway) -> None:
    for wrong in (replace(INTENT, method="sandbox_free"), replace(INTENT, currency="EURO")):
        assert (await gateway.authorise(wrong)).state == GatewayState.REFUSED
    assert await gateway.status("ord_1") == []


async def test_every_method_offered_to_fans_is_known_to_the_server(gateway: SandboxGateway) -> None:
    for attempt, method in enumerate(gateway.methods, start=1):
        outcome = await gateway.authorise(replace(INTENT, attempt=attempt, method=method))
        assert outcome.state in (GatewayState.AUTHORISED, GatewayState.DECLINED)


# --- HTTP ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"amount",
        b"amount=1&amount=2",
        b"amount=%ff",
        "amount=£5".encode(),
        b'{"amount": 5000}',
        b"&".join(b"a%d=1" % number for number in range(sandbox_limits.FIELDS_MAX + 1)),
        b"",
    ],
)
async def test_a_malformed_form_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/payment_intents", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount", value) for value in ("", "0", "-1", "+1", "1_0", "1.5", "\u0665", "100000000", "9" * 5_000)),
        *(("currency", value) for value in ("EUR", "euro", "e")),
        ("confirm", "false"),
        ("capture_method", "automatic"),
        ("payment_method", "sandbox_free"),
        ("metadata[attempt]", "first"),
        ("metadata[order]", ""),
        ("metdata[order]", "ord_1"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(client: httpx.AsyncClient, field: str, value: str) -> None:
    response = await client.post("/v1/payment_intents", data={**FORM, field: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field
    assert await _book(client) == []


async def test_a_body_above_the_bound_is_refused_whether_it_says_so_or_not(client: httpx.AsyncClient) -> None:
    body = b"description=" + b"x" * sandbox_limits.BODY_MAX_BYTES

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    assert (await client.post("/v1/payment_intents", content=body)).status_code == 413
    assert (await client.post("/v1/payment_intents", content=in_pieces())).status_code == 413


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer sk_live_1", "Basic c2tfc2FuZGJveA==", "sk_sandbox_1"])
@pytest.mark.parametrize("path", ["/book", "/v1/payment_intents/pi_1", "/nowhere"])
async def test_nothing_is_answered_without_a_key(client: httpx.AsyncClient, path: str, authorization: str) -> None:
    response = await client.get(path, headers={"Authorization": authorization})
    assert response.status_code == 401


async def test_an_address_or_method_that_is_none_is_404(client: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/"),
        ("DELETE", "/book"),
        ("GET", "/v1/refunds"),
        ("POST", "/v1/payment_intents/a/b"),
    ):
        assert (await client.request(method, path)).status_code == 404


async def test_a_payment_can_be_read_by_its_id_and_found_by_its_order(client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/payment_intents", data=FORM)).json()
    assert (await client.get(f"/v1/payment_intents/{made['id']}")).json() == made
    for query in ("metadata['order']:'ord_1'", 'metadata["order"]:"ord_1"'):
        found = (await client.get("/v1/payment_intents/search", params={"query": query})).json()
        assert found["data"] == [made]
    assert (await client.get("/v1/payment_intents/search", params={"query": "amount>1"})).status_code == 400


async def test_the_book_is_read_page_by_page_while_it_grows(client: httpx.AsyncClient) -> None:
    orders = []
    after: int | None = 0
    for number in range(5):
        await client.post("/v1/payment_intents", data={**FORM, "metadata[order]": f"ord_{number}"})
    while after is not None:
        page = (await client.get("/book", params={"after": after, "limit": 2})).json()
        orders += [charge["order"] for charge in page["items"]]
        after = page["next"]
    assert orders == [f"ord_{number}" for number in range(5)]


# --- faults -------------------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_unknown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    gateway = SandboxGateway(address, KEY, timeout_s=2)
    outcome = await gateway.authorise(INTENT)
    assert outcome.state == GatewayState.UNKNOWN
    assert "ConnectError" in outcome.message
    await gateway.close()


async def test_a_fault_of_the_sandbox_is_a_500_and_writes_nothing(
    app: SandboxApp, gateway: SandboxGateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("onsale.checkout.gateways.sandbox_book.Store.keep", full)
        assert (await gateway.authorise(INTENT)).state == GatewayState.UNKNOWN
    assert await _book(client) == []
    assert (await gateway.authorise(INTENT)).state == GatewayState.AUTHORISED


def test_a_book_is_open_in_one_process_only(app: SandboxApp, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sandbox_app(tmp_path / "book.sqlite")


def _start(listener: socket.socket, book: Path) -> subprocess.Popen[bytes]:
    """The server as its own process, on a socket that outlives it: who connects meanwhile waits for the next one."""
    script = (
        "import pathlib, sys; from onsale.checkout.gateways.sandbox_server import run;"
        "run(pathlib.Path(sys.argv[1]), fd=int(sys.argv[2]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, str(book), str(listener.fileno())],
        pass_fds=[listener.fileno()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


async def test_a_killed_server_finds_its_book_again_and_a_stopped_one_ends_clean(tmp_path: Path) -> None:
    wal = tmp_path / "book.sqlite-wal"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = SandboxGateway(f"http://127.0.0.1:{listener.getsockname()[1]}", KEY)
        server = _start(listener, tmp_path / "book.sqlite")
        try:
            outcomes = await asyncio.gather(
                *(gateway.authorise(replace(INTENT, order=f"ord_{number}")) for number in range(100))
            )
            assert {outcome.state for outcome in outcomes} == {GatewayState.AUTHORISED}
            captured = await gateway.capture(outcomes[0].ref, "ord_0:1:capture")
            server.kill()
            server.wait()
            assert wal.exists(), "the kill came before anything could be tidied up"
            server = _start(listener, tmp_path / "book.sqlite")
            # A request that meets a connection which died with the server is unknown; asking again ends that.
            known = await gateway.status("ord_0")
            if known[0].state == GatewayState.UNKNOWN:
                known = await gateway.status("ord_0")
            assert known == [captured]
            for number, outcome in enumerate(outcomes):
                assert await gateway.authorise(replace(INTENT, order=f"ord_{number}")) == outcome
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=20)
            assert not wal.exists(), "a clean end leaves one file"
        finally:
            server.kill()
            server.wait()
            await gateway.close()
