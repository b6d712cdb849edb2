"""The sandbox gateway: a small real HTTP server in Stripe's shape, for development, tests and on-sale rehearsals.

Its words, fields, status codes and Idempotency-Key are those of Stripe's API reference (payment_intents, refunds,
errors, idempotent requests), as far as onsale uses them; unknown parameters are refused, so a typing error cannot pass
here and fail there. `GET /book` is ours: every charge, to hold against our own orders.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import uvicorn

from onsale import limits
from onsale.checkout.gateways import sandbox_charges as charges
from onsale.checkout.gateways import sandbox_limits
from onsale.checkout.gateways.sandbox_book import Answer, Book, Store, Work, once, refusal
from onsale.checkout.gateways.sandbox_charges import Charge, Refused, Status
from onsale.kit import clock, ids, telemetry
from onsale.kit.problems import Overloaded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BEARER = re.compile(rb"Bearer sk_sandbox_\S+")
_ORDER_QUERY = re.compile(r"""metadata\[(['"])order\1\]:(['"])([^'"]+)\2""")
_CURRENCY = re.compile(r"[a-z]{3}")


class Form:
    """The fields of a form or a query string; what is missing or wrong is a Refused (400) that names it."""

    def __init__(self, encoded: bytes) -> None:
        try:
            pairs = parse_qsl(
                encoded.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(encoded),
                errors="strict",
                max_num_fields=sandbox_limits.FIELDS_MAX,
            )
        except ValueError:
            raise Refused(400, "The request is not a form (application/x-www-form-urlencoded).") from None
        self.fields = dict(pairs)
        if len(self.fields) != len(pairs):
            raise Refused(400, "A parameter was given twice.")

    def only(self, *names: str) -> None:
        for name in self.fields.keys() - set(names):
            raise Refused(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.fields.get(name) or default
        if value is None:
            raise Refused(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
        return value

    def whole(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        text = self.text(name, None if default is None else str(default))
        # int() alone would take spaces, signs, underscores and other scripts' digits, and any length of them.
        if not (text.isascii() and text.isdecimal() and len(text) <= 19 and least <= int(text) <= most):
            message = f"Invalid integer: {name} must be from {least} to {most}."
            raise Refused(400, message, code="parameter_invalid_integer", param=name)
        return int(text)

    def exactly(self, name: str, value: str) -> None:
        if self.text(name) != value:
            raise Refused(400, f"The sandbox only knows {name}={value}.", param=name)

    def matching(self, name: str, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.fullmatch(self.text(name))
        if found is None:
            raise Refused(400, f"Invalid {name}.", param=name)
        return found


# --- what each address does: read the form first, then say what to do with the book ---------------------------------


def create_intent(form: Form, _: str) -> Work:
    form.only(
        "amount",
        "currency",
        "payment_method",
        "confirm",
        "capture_method",
        "description",
        "metadata[order]",
        "metadata[attempt]",
    )
    form.exactly("confirm", "true")
    form.exactly("capture_method", "manual")
    charge = charges.authorised(
        intent=f"pi_{ids.new_id():016x}",
        order_id=form.text("metadata[order]"),
        attempt=form.whole("metadata[attempt]", least=1, most=1_000_000),
        amount=form.whole("amount", least=1, most=sandbox_limits.AMOUNT_MAX_MINOR),
        currency=form.matching("currency", _CURRENCY)[0],
        method=form.text("payment_method"),
        description=form.text("description", ""),
        created=int(clock.utcnow().timestamp()),
    )

    def work(store: Store) -> Answer:
        store.add(charge)
        if charge.status == Status.REQUIRES_PAYMENT_METHOD:
            return refusal(charges.declined(charge))
        return _ok(charges.intent_json(charge))

    return work


def read_intent(form: Form, intent: str) -> Work:
    form.only()
    return lambda store: _ok(charges.intent_json(store.charge(intent)))


def search_intents(form: Form, _: str) -> Work:
    """Stripe's search, for the one question we ask. Theirs lags behind by up to a minute; this one does not."""
    form.only("query")
    order_id = form.matching("query", _ORDER_QUERY)[3]

    def work(store: Store) -> Answer:
        found = [charges.intent_json(charge) for charge in store.charges_of_order(order_id)]
        page = {
            "object": "search_result",
            "url": "/v1/payment_intents/search",
            "has_more": False,
            "data": found,
        }
        return _ok(page)

    return work


def capture_intent(form: Form, intent: str) -> Work:
    form.only()
    return _changing(intent, charges.captured)


def cancel_intent(form: Form, intent: str) -> Work:
    form.only()
    return _changing(intent, charges.canceled)


def create_refund(form: Form, _: str) -> Work:
    form.only("payment_intent", "amount")
    intent = form.text("payment_intent")
    amount = form.whole("amount", least=1, most=sandbox_limits.AMOUNT_MAX_MINOR)
    refund = f"re_{ids.new_id():016x}"

    def work(store: Store) -> Answer:
        charge = charges.refunded(store.charge(intent), amount)
        store.change(charge)
        return _ok(charges.refund_json(refund, charge, amount))

    return work


def read_book(form: Form, _: str) -> Work:
    """Pages of the book: `next` is what to send as `after` for the following page, null on the last."""
    form.only("after", "limit")
    after = form.whole("after", least=0, most=2**63 - 1, default=0)
    rows = form.whole("limit", least=1, most=sandbox_limits.BOOK_ROWS_MAX, default=sandbox_limits.BOOK_ROWS_MAX)

    def work(store: Store) -> Answer:
        items = store.page(after, rows)
        return _ok({"items": items, "next": items[-1]["seq"] if len(items) == rows else None})

    return work


def _changing(intent: str, change: Callable[[Charge], Charge]) -> Work:
    def work(store: Store) -> Answer:
        charge = change(store.charge(intent))
        store.change(charge)
        return _ok(charges.intent_json(charge))

    return work


def _ok(body: dict[str, Any]) -> Answer:
    return Answer(200, msgspec.json.encode(body))


# The first that matches is taken: `search` stands before the ids.
ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Form, str], Work]], ...] = (
    ("POST", re.compile(r"/v1/payment_intents()"), create_intent),
    ("GET", re.compile(r"/v1/payment_intents/search()"), search_intents),
    ("GET", re.compile(r"/v1/payment_intents/(\w+)"), read_intent),
    ("POST", re.compile(r"/v1/payment_intents/(\w+)/capture"), capture_intent),
    ("POST", re.compile(r"/v1/payment_intents/(\w+)/cancel"), cancel_intent),
    ("POST", re.compile(r"/v1/refunds()"), create_refund),
    ("GET", re.compile(r"/book()"), read_book),
)


# --- HTTP -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SandboxApp:
    """The ASGI application. Whoever made it closes its book; a server does so at its shutdown."""

    book: Book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            assert scope["type"] == "http"
            await _send(send, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            return await self.book.ask(await _work(scope, receive))
        except Refused as refused:
            return refusal(refused)
        except Overloaded:
            return refusal(Refused(503, "The sandbox has too much to do.", kind="api_error"))
        except Exception as fault:  # noqa: BLE001 - a full disk or a bug: the client must hear that nothing is known
            telemetry.log.error("sandbox_fault", path=scope["path"], error=repr(fault), exc_info=fault)
            return refusal(Refused(500, "The sandbox failed.", kind="api_error"))

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.book.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def sandbox_app(book_path: Path) -> SandboxApp:
    """The sandbox on the book at that path, which is made if there is none.

    Raises sqlite3.OperationalError when another process has the book open.
    """
    return SandboxApp(Book(book_path))


async def _work(scope: Scope, receive: Receive) -> Work:
    """What the request asks of the book. Raises Refused for one that cannot be understood; no key is used up by it."""
    headers = dict(scope["headers"])
    if not _BEARER.fullmatch(headers.get(b"authorization", b"")):
        raise Refused(401, "You did not provide an API key: Authorization: Bearer sk_sandbox_...")
    method, path = scope["method"], scope["path"]
    endpoint, part = _route(method, path)
    if method == "GET":
        return endpoint(Form(scope["query_string"]), part)
    form = Form(await _body(headers, receive))
    work = endpoint(form, part)
    key = headers.get(b"idempotency-key", b"").decode("latin-1")
    if len(key) > sandbox_limits.IDEMPOTENCY_KEY_MAX_LENGTH:
        raise Refused(400, "The Idempotency-Key is too long.")
    return once(key, path, form.fields, work) if key else work


def _route(method: str, path: str) -> tuple[Callable[[Form, str], Work], str]:
    for route_method, pattern, endpoint in ROUTES:
        if route_method == method and (found := pattern.fullmatch(path)):
            return endpoint, found[1]
    raise Refused(404, f"Unrecognized request URL ({method}: {path}).")


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    declared = headers.get(b"content-length", b"0")
    body, more = b"", declared.isdigit() and int(declared) <= sandbox_limits.BODY_MAX_BYTES
    if not more:
        raise _too_large()
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > sandbox_limits.BODY_MAX_BYTES:
            raise _too_large()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request ended early.")
    return body


def _too_large() -> Refused:
    return Refused(413, f"The body is larger than {sandbox_limits.BODY_MAX_BYTES} bytes.")


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    if answer.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if answer.status == 413:  # The rest of that body was not read, so the connection cannot carry another request.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def run(
    book_path: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8001,
    uds: str | None = None,
    fd: int | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, finishing what has begun: on an inherited socket, a path, or host and port."""
    config = uvicorn.Config(
        sandbox_app(book_path),
        host=host,
        port=port,
        uds=uds,
        fd=fd,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=sandbox_limits.CONNECTIONS_MAX,
        timeout_keep_alive=sandbox_limits.SERVER_IDLE_S,
        timeout_graceful_shutdown=int(limits.SHUTDOWN_GRACE_S),
    )
    uvicorn.Server(config).run()
