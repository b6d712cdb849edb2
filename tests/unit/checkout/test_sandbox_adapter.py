"""What the adapter makes of answers: only a clear no is a no, and all that is not understood is UNKNOWN."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from onsale.checkout.gateways import GatewayState, Intent, Outcome, SandboxGateway, idempotency_key
from onsale.checkout.gateways.lanes import Lanes

pytestmark = pytest.mark.anyio

INTENT = Intent("ord_1", 2, 5_000, "EUR", "sandbox_ok", "2 tickets")
PAYMENT = {"id": "pi_1", "amount": 5_000, "metadata": {"order": "ord_1", "attempt": "2"}}


async def _authorise(answer: Callable[[httpx.Request], httpx.Response]) -> Outcome:
    gateway = SandboxGateway("http://sandbox", "sk_sandbox_test", transport=httpx.MockTransport(answer))
    try:
        return await gateway.authorise(INTENT)
    finally:
        await gateway.close()


def test_keys_name_order_attempt_and_verb() -> None:
    assert INTENT.key == "ord_1:2"
    assert idempotency_key("ord_1", 2, "capture") == "ord_1:2:capture"


@pytest.mark.parametrize(
    ("status", "refunded", "state"),
    [
        ("requires_capture", 0, GatewayState.AUTHORISED),
        ("succeeded", 0, GatewayState.CAPTURED),
        ("succeeded", 1, GatewayState.REFUNDED),
        ("canceled", 0, GatewayState.VOIDED),
        ("requires_payment_method", 0, GatewayState.DECLINED),
        ("requires_action", 0, GatewayState.UNKNOWN),
        ("a_word_of_next_year", 0, GatewayState.UNKNOWN),
    ],
)
async def test_each_status_has_one_meaning(status: str, refunded: int, state: GatewayState) -> None:
    body = {**PAYMENT, "status": status, "latest_charge": {"amount_refunded": refunded}}
    outcome = await _authorise(lambda _: httpx.Response(200, json=body))
    assert (outcome.state, outcome.ref, outcome.amount_minor, outcome.attempt) == (state, "pi_1", 5_000, 2)


@pytest.mark.parametrize(
    ("status", "kind", "code", "state"),
    [
        (402, "card_error", "card_declined", GatewayState.DECLINED),
        (400, "invalid_request_error", "parameter_missing", GatewayState.REFUSED),
        (404, "invalid_request_error", "resource_missing", GatewayState.NOT_FOUND),
        # These say nothing of what an earlier request of ours did.
        (404, "invalid_request_error", None, GatewayState.UNKNOWN),
        (400, "idempotency_error", None, GatewayState.UNKNOWN),
        (401, "invalid_request_error", None, GatewayState.UNKNOWN),
        (409, "idempotency_error", None, GatewayState.UNKNOWN),
        (429, "invalid_request_error", "rate_limit", GatewayState.UNKNOWN),
        (500, "api_error", None, GatewayState.UNKNOWN),
        (503, "api_error", None, GatewayState.UNKNOWN),
    ],
)
async def test_only_a_clear_no_is_a_no(status: int, kind: str, code: str | None, state: GatewayState) -> None:
    error = {"type": kind, "code": code, "message": "why"}
    outcome = await _authorise(lambda _: httpx.Response(status, json={"error": error}))
    assert outcome.state == state
    assert "why" in outcome.message


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"{}", b"\xff", b'{"id": 1}'])
@pytest.mark.parametrize("status", [200, 402, 502])
async def test_an_answer_that_cannot_be_read_is_unknown(status: int, body: bytes) -> None:
    outcome = await _authorise(lambda _: httpx.Response(status, content=body))
    assert outcome.state == GatewayState.UNKNOWN
    assert str(status) in outcome.message


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ConnectError, httpx.RemoteProtocolError, httpx.PoolTimeout])
async def test_a_broken_connection_is_unknown(error: type[httpx.TransportError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error("gone")

    outcome = await _authorise(answer)
    assert outcome.state == GatewayState.UNKNOWN
    assert outcome.message == f"{error.__name__}: gone"


async def test_a_gateway_that_never_ends_its_answer_is_unknown_in_time() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    gateway = SandboxGateway("http://sandbox", "sk_sandbox_test", 0.01, transport=httpx.MockTransport(never))
    assert (await gateway.capture("pi_1", "ord_1:1:capture")).state == GatewayState.UNKNOWN
    assert [outcome.state for outcome in await gateway.status("ord_1")] == [GatewayState.UNKNOWN]
    await gateway.close()


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_a_refused_question_is_no_answer_about_the_order(status: int) -> None:
    error = {"type": "invalid_request_error", "code": "resource_missing", "message": "why"}
    answer = httpx.Response(status, json={"error": error})
    gateway = SandboxGateway("http://sandbox", "sk_sandbox_test", transport=httpx.MockTransport(lambda _: answer))
    assert [outcome.state for outcome in await gateway.status("ord_1")] == [GatewayState.UNKNOWN]
    await gateway.close()


async def test_a_reference_cannot_leave_its_place_in_the_address() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={**PAYMENT, "status": "canceled"})

    gateway = SandboxGateway("http://sandbox", "sk_sandbox_test", transport=httpx.MockTransport(answer))
    await gateway.void("../refunds?a=", "ord_1:1:void")
    await gateway.close()
    assert asked == [b"/v1/payment_intents/..%2Frefunds%3Fa%3D/cancel"]


async def test_requests_above_the_number_of_lanes_wait_and_a_lane_that_broke_is_used_again() -> None:
    under_way: list[int] = []
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        under_way.append(1)
        await reader.readuntil(b"\r\n\r\n")
        served += 1
        if served != 1:  # The first one is hung up on.
            most.append(len(under_way))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            await writer.drain()
        under_way.pop()
        writer.close()

    most: list[int] = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient(transport=Lanes(2, idle_s=1), base_url=address) as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, httpx.RemoteProtocolError) for answer in answers) == 1
    assert [answer.text for answer in answers if isinstance(answer, httpx.Response)] == ["ok"] * 19
    assert max(most) <= 2
