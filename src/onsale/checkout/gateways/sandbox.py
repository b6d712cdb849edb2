"""The adapter to the sandbox gateway: Gateway's verbs as Stripe's requests, Stripe's answers as outcomes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from onsale import limits
from onsale.checkout.gateways import sandbox_charges, sandbox_limits
from onsale.checkout.gateways.gateway import GatewayState, Intent, Outcome
from onsale.checkout.gateways.lanes import Lanes

Shape = TypeVar("Shape")

_STATES = {
    "requires_capture": GatewayState.AUTHORISED,
    "succeeded": GatewayState.CAPTURED,
    "canceled": GatewayState.VOIDED,
    "requires_payment_method": GatewayState.DECLINED,
}


class _Charge(msgspec.Struct):
    amount_refunded: int


class _Error(msgspec.Struct):
    type: str
    message: str = ""
    code: str | None = None
    decline_code: str | None = None
    payment_intent: "_PaymentIntent | None" = None


class _PaymentIntent(msgspec.Struct):
    id: str
    amount: int
    status: str
    metadata: dict[str, str] = {}
    latest_charge: _Charge | None = None
    last_payment_error: _Error | None = None


class _Refund(msgspec.Struct):
    payment_intent: _PaymentIntent


class _Found(msgspec.Struct):
    data: list[_PaymentIntent]


class _Failure(msgspec.Struct):
    error: _Error


class _NoAnswer(Exception):
    """The gateway was not heard, or not understood: what it did is unknown. The text says what went wrong."""


class SandboxGateway:
    """The sandbox over HTTP. With `transport=httpx.ASGITransport(app)` it needs no server."""

    methods: Mapping[str, str] = {name: method.label for name, method in sandbox_charges.METHODS.items()}

    def __init__(
        self,
        base_url: str,
        api_key: str,
        timeout_s: float = limits.GATEWAY_TIMEOUT_S,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=timeout_s,
            transport=transport or Lanes(limits.GATEWAY_CONNECTIONS_MAX, idle_s=sandbox_limits.CLIENT_IDLE_S),
            trust_env=False,  # A proxy in somebody's environment is no place to send payments through.
        )

    async def authorise(self, intent: Intent) -> Outcome:
        form = {
            "amount": str(intent.amount_minor),
            "currency": intent.currency.lower(),
            "payment_method": intent.method,
            "confirm": "true",
            "capture_method": "manual",
            "description": intent.description,
            "metadata[order]": intent.order,
            "metadata[attempt]": str(intent.attempt),
        }
        return await self._move("/v1/payment_intents", intent.key, form)

    async def capture(self, ref: str, key: str) -> Outcome:
        return await self._move(f"/v1/payment_intents/{quote(ref, safe='')}/capture", key)

    async def void(self, ref: str, key: str) -> Outcome:
        return await self._move(f"/v1/payment_intents/{quote(ref, safe='')}/cancel", key)

    async def refund(self, ref: str, amount_minor: int, key: str) -> Outcome:
        form = {"payment_intent": ref, "amount": str(amount_minor)}
        return await self._move("/v1/refunds", key, form, read=_refunded_intent)

    async def status(self, order: str) -> list[Outcome]:
        try:
            query = {"query": f"metadata['order']:'{order}'"}
            response = await self._send("GET", "/v1/payment_intents/search", params=query)
            if response.status_code != 200:
                raise _NoAnswer(f"{response.status_code} when asked for an order")
            return [_outcome(intent) for intent in _read(response, _Found).data]
        except _NoAnswer as reason:
            return [_unknown(str(reason))]

    async def close(self) -> None:
        await self._client.aclose()

    async def _move(
        self,
        path: str,
        key: str,
        form: Mapping[str, str] | None = None,
        read: Callable[[httpx.Response], _PaymentIntent] = lambda response: _read(response, _PaymentIntent),
    ) -> Outcome:
        try:
            response = await self._send("POST", path, data=form, headers={"Idempotency-Key": key})
            return _outcome(read(response)) if response.status_code == 200 else _refusal(response)
        except _NoAnswer as reason:
            return _unknown(str(reason))

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Raises _NoAnswer. The bound is on the whole exchange: httpx's own is on each read, however many come."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._client.request(method, path, **request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _NoAnswer(f"{type(error).__name__}: {error}") from error


def _outcome(intent: _PaymentIntent, message: str = "") -> Outcome:
    refunded_minor = intent.latest_charge.amount_refunded if intent.latest_charge else 0
    declined = intent.last_payment_error
    attempt = intent.metadata.get("attempt", "")
    return Outcome(
        state=GatewayState.REFUNDED if refunded_minor else _STATES.get(intent.status, GatewayState.UNKNOWN),
        ref=intent.id,
        amount_minor=intent.amount,
        refunded_minor=refunded_minor,
        attempt=int(attempt) if attempt.isdecimal() else None,
        decline_code=declined.decline_code if declined else None,
        message=message or (declined.message if declined else ""),
    )


def _refusal(response: httpx.Response) -> Outcome:
    """What a status other than 200 tells.

    Only a clear no counts as one. A wrong API key, an overload, a fault, or a key used before with other parameters say
    nothing of what an earlier request of ours did: UNKNOWN.
    """
    error = _read(response, _Failure).error
    match response.status_code, error.type, error.code:
        case 402, "card_error", _:
            return _told(GatewayState.DECLINED, error)
        case 400, "invalid_request_error", "payment_intent_unexpected_state" if error.payment_intent:
            return _outcome(error.payment_intent, error.message)
        case 400, "invalid_request_error", _:
            return _told(GatewayState.REFUSED, error)
        case 404, "invalid_request_error", "resource_missing":
            return _told(GatewayState.NOT_FOUND, error)
    return _unknown(f"{response.status_code} {error.type}: {error.message}")


def _told(state: GatewayState, error: _Error) -> Outcome:
    """That state, for the payment the error is about, where it names one."""
    payment = _outcome(error.payment_intent) if error.payment_intent else Outcome(state)
    return replace(payment, state=state, decline_code=error.decline_code or error.code, message=error.message)


def _unknown(reason: str) -> Outcome:
    return Outcome(GatewayState.UNKNOWN, message=reason)


def _refunded_intent(response: httpx.Response) -> _PaymentIntent:
    return _read(response, _Refund).payment_intent


def _read(response: httpx.Response, shape: type[Shape]) -> Shape:
    """The body as that shape. Raises _NoAnswer for one that is not (a proxy's error page, say)."""
    try:
        return msgspec.json.decode(response.content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NoAnswer(f"{response.status_code} with an answer that cannot be read: {error}") from error
