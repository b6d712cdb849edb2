"""A frugal HTTP/1.1 client: the generator shares its two cores with what it measures, so a request must cost little.

Keep-alive connections up to a bound, one request at a time on each, parsed by httptools. It knows what a load run needs
and no more: no redirects, no cookies, no compression, no HEAD. Whatever goes wrong is raised as RequestFailed with a
kind, and counted.
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from onsale.drop import drop_limits
from onsale.drop.connection import Connection, Failure, RequestFailed, Response, Stale
from onsale.drop.drop_limits import CONNECT_TIMEOUT_S, STALE_RETRIES_MAX

Headers = Sequence[tuple[str, str]]

# Repeating these changes nothing, so a connection that turned out stale may be replaced unseen.
_REPEATABLE = frozenset(("GET", "PUT", "DELETE"))
_encoder = msgspec.json.Encoder()


class Client:
    """Requests to one server. Safe to use from many tasks of one event loop; `async with` closes it.

    base_url is `http://host:port`, `https://...`, or `unix:/path/of/socket`.
    errors      RequestFailed raised so far, by kind
    reconnects  requests repeated because a kept connection had been closed at the other end
    waits       requests that found every connection busy: many of them mean that connections_max is the limit
    """

    def __init__(
        self,
        base_url: str,
        *,
        connections_max: int = drop_limits.CONNECTIONS_MAX,
        timeout_s: float = drop_limits.REQUEST_TIMEOUT_S,
        answer_max_bytes: int = drop_limits.ANSWER_MAX_BYTES,
    ) -> None:
        self._address = _Address(base_url)
        self._connections_max = connections_max
        self._timeout_s = timeout_s
        self._answer_max_bytes = answer_max_bytes
        self._idle: list[Connection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self.errors: Counter[str] = Counter()
        self.reconnects = 0
        self.waits = 0

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are idle and refuse who waits. Those in use close when their request ends."""
        self._connections_max = 0
        while self._idle:
            self._idle.pop().close()
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(RequestFailed(Failure.CLOSED, "the client was closed"))

    async def get(self, path: str, headers: Headers = ()) -> Response:
        return await self.request("GET", path, headers)

    async def post(self, path: str, body: object, headers: Headers = ()) -> Response:
        """POST a value as JSON."""
        return await self.request("POST", path, headers, _encoder.encode(body))

    async def request(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Response:
        """One request and its answer within timeout_s, waiting for a connection included. Raises RequestFailed."""
        data = self._address.request(method, path, headers, body)
        repeatable = method in _REPEATABLE or any(name.lower() == "idempotency-key" for name, _ in headers)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        try:
            for tries_left in range(STALE_RETRIES_MAX, -1, -1):
                try:
                    return await self._exchange(data, deadline)
                except Stale as stale:
                    if not (repeatable and tries_left):
                        raise RequestFailed(Failure.CLOSED, "the kept connection was closed") from stale
                    self.reconnects += 1
            raise AssertionError("the last try returns or raises")
        except RequestFailed as failed:
            self.errors[failed.kind] += 1
            raise

    async def _exchange(self, data: bytes, deadline: float) -> Response:
        connection = self._idle_connection() or await self._wait_for_connection(deadline)
        try:
            return await connection.exchange(data, deadline)
        finally:
            self._give_back(connection)

    def _idle_connection(self) -> "Connection | None":
        """The connection used last: its socket and its server are the warmest, and the others may fall asleep."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._open -= 1
        return None

    async def _wait_for_connection(self, deadline: float) -> "Connection":
        """A new connection while the bound allows, else the next that comes free. First come, first served."""
        loop = asyncio.get_running_loop()
        if self._open >= self._connections_max:
            self.waits += 1
            place: asyncio.Future[Connection | None] = loop.create_future()
            self._waiting.append(place)
            try:
                async with asyncio.timeout_at(deadline):
                    handed_over = await place
            except BaseException as error:
                self._leave_queue(place)
                if isinstance(error, TimeoutError):
                    raise RequestFailed(Failure.TIMEOUT, "every connection was busy") from error
                raise
            if handed_over is not None:
                return handed_over
        else:
            self._open += 1
        try:
            return await self._connect(min(deadline, loop.time() + CONNECT_TIMEOUT_S))
        except BaseException:
            self._hand_over(None)
            raise

    def _leave_queue(self, place: "asyncio.Future[Connection | None]") -> None:
        """Whoever gives up waiting passes on what was handed over in the same moment, or it would be lost for all."""
        if place in self._waiting:
            self._waiting.remove(place)
        elif place.done() and not place.cancelled():
            self._hand_over(place.result())

    async def _connect(self, deadline: float) -> "Connection":
        try:
            async with asyncio.timeout_at(deadline):
                return await self._address.connect(self._answer_max_bytes)
        except TimeoutError as error:
            raise RequestFailed(Failure.CONNECT_TIMEOUT) from error
        except OSError as error:
            raise RequestFailed(Failure.CONNECT, str(error)) from error

    def _give_back(self, connection: "Connection") -> None:
        if connection.usable and self._connections_max:
            self._hand_over(connection)
        else:
            connection.close()
            self._hand_over(None)

    def _hand_over(self, connection: "Connection | None") -> None:
        """Give a free connection, or (None) the right to open one, to whoever has waited longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(connection)
                return
        if connection is None:
            self._open -= 1
        else:
            self._idle.append(connection)


class _Address:
    """Where the server is, and how a request to it begins."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._socket_path = parts.path if parts.scheme == "unix" else ""
        if parts.scheme not in ("http", "https", "unix") or not (parts.hostname or self._socket_path):
            raise ValueError(f"not an address we can load: {base_url!r}")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = "" if self._socket_path else parts.path.rstrip("/")
        host = parts.netloc.rpartition("@")[2] or "localhost"
        self._after_path = f" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: onsale-drop\r\n"

    async def connect(self, answer_max_bytes: int) -> "Connection":
        loop = asyncio.get_running_loop()
        connection = Connection(answer_max_bytes)
        if self._socket_path:
            await loop.create_unix_connection(lambda: connection, self._socket_path)
        else:
            await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls)
        return connection

    def request(self, method: str, path: str, headers: Headers, body: bytes) -> bytes:
        """The whole request, ready to be written."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
        if " " in path or "\n" in path or lines.count("\n") != len(headers):
            raise ValueError(f"a path or header that would break the request: {path!r}")
        if body:
            lines = f"{lines}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method != "GET":
            lines += "Content-Length: 0\r\n"
        return f"{method} {self._prefix}{path}{self._after_path}{lines}\r\n".encode("latin-1") + body


def fan_address(number: int) -> str:
    """An address for the fan of that number, for X-Forwarded-For: each its own, up to 2**28 of them.

    From 240.0.0.0/4, which is reserved (RFC 1112, 4) and so is nobody's, and no proxy's of ours.
    """
    number %= 1 << 28
    return f"{240 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def problem_code(response: Response) -> str:
    """The stable `code` of a problem+json answer, or `http_<status>` when it has none."""
    try:
        body: Any = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else f"http_{response.status}"
