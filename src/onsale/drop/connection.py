"""One keep-alive HTTP/1.1 connection, and what may become of a request on it. httptools does the parsing."""

import asyncio
from enum import StrEnum
from typing import TypeVar, cast

import httptools
import msgspec

Wire = TypeVar("Wire")

_NO_BODY = frozenset((204, 304))


class Failure(StrEnum):
    """Why there was no answer."""

    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


class RequestFailed(Exception):
    """No answer, or none that can be read. The request may or may not have had its effect."""

    def __init__(self, kind: Failure, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else str(kind))
        self.kind = kind


class Response:
    """Status, headers (names in lower case) and whole body of one answer."""

    __slots__ = ("_headers", "body", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self._headers = headers
        self.body = body

    def header(self, name: str, default: str = "") -> str:
        wanted = name.lower().encode("latin-1")
        for key, value in self._headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return default

    def json(self, kind: type[Wire]) -> Wire:
        """The body as that type. Raises RequestFailed(MALFORMED) when it is not."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestFailed(Failure.MALFORMED, str(error)) from error

    def retry_after_s(self, default: float = 1.0) -> float:
        """Seconds the server asks us to wait; the default when it does not say, or says it as a date."""
        text = self.header("retry-after")
        return float(text) if text.isascii() and text.isdecimal() else default


class Stale(Exception):
    """A kept connection ended before the first byte of an answer: the server had closed it, most likely unread."""


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time on it."""

    def __init__(self, answer_max_bytes: int) -> None:
        self._answer_max_bytes = answer_max_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size_bytes = 0
        self._status = 0
        self._begun = False
        self._served = 0
        self._keep = True

    @property
    def usable(self) -> bool:
        return self._keep and self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        self._keep = False
        if self._transport is not None:
            self._transport.close()

    async def exchange(self, data: bytes, deadline: float) -> Response:
        """Write one request and wait for its answer. Raises RequestFailed, or Stale when the connection had ended."""
        assert self._answer is None, "one request at a time"
        if self._transport is None or self._transport.is_closing():
            raise Stale
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Response] = loop.create_future()
        self._answer = answer
        self._begun = False
        self._transport.write(data)
        timer = loop.call_at(deadline, self._fail, RequestFailed(Failure.TIMEOUT))
        try:
            return await answer
        except BaseException:
            # Half an answer may still be under way: what comes next must not be read as another's.
            self.close()
            raise
        finally:
            timer.cancel()
            self._answer = None

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio's do, without descending from them.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # Nobody asked: whatever it is, the connection is out of step.
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(RequestFailed(Failure.MALFORMED, str(error)))

    def connection_lost(self, error: Exception | None) -> None:
        self._keep = False
        if self._answer is None or self._answer.done():
            return
        if not self._begun and self._served:
            self._fail(Stale())
        elif self._ends_with_connection():
            self._finish()
        else:
            self._fail(RequestFailed(Failure.CLOSED, str(error or "in the middle of an answer")))

    # --- httptools' callbacks

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # A second answer to one request: the connection is out of step.
        self._headers = []
        self._body = []
        self._size_bytes = 0
        self._status = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._size_bytes += len(body)
        if self._size_bytes > self._answer_max_bytes:
            self._fail(RequestFailed(Failure.TOO_LARGE, f"more than {self._answer_max_bytes} bytes"))
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._status >= 200:  # Below are interim answers: the real one follows.
            self._finish()

    def _finish(self) -> None:
        if self._answer is None or self._answer.done():
            return
        self._served += 1
        self._keep = self._keep and self._parser.should_keep_alive()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._answer.set_result(Response(self._status, self._headers, body))

    def _ends_with_connection(self) -> bool:
        """Whether the answer has neither length nor chunks: then it ends with the connection (RFC 9112, 6.3)."""
        framed = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
        return self._status >= 200 and self._status not in _NO_BODY and not framed
