"""Bounds on what stands before a body: uvicorn and httptools keep request lines and headers of any length, for ever.

Used as uvicorn's `http=`. What is too long is answered 431 and what is no HTTP 400, both as problems; who is silent in
the middle of a head is hung up on.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from onsale import limits
from onsale.kit import problems
from onsale.kit.problems import Problem

# Around a name and its value on the wire: a colon, a space and a line end.
_FIELD_FRAME_BYTES = 4


class HeadTooLarge(Problem):
    code = "headers_too_large"
    status = 431
    title = "The address and the headers of this request are too large"


class BoundedHeads(HttpToolsProtocol):
    """One connection. Bytes are counted twice, since one read may bring many fields, and one field many reads.

    `_named_bytes` is what the parser has named of this request: address, headers, trailers. `_unnamed_bytes` is what it
    was fed since it last gave on a head or a piece of a body: a value without an end, or chunk extensions.
    """

    _named_bytes = 0
    _unnamed_bytes = 0
    _waiting: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unnamed_bytes += len(data)
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self._unnamed_bytes > limits.HEAD_MAX_BYTES + len(data):
            self._refuse(HeadTooLarge())
        elif self._idle:
            self._await_head()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol has the connection from here on, with bounds of its own: see kit/stalls.py."""
        self._upgraded = True
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._named_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for every field of every request: written out for that, as uvicorn does it, and counted."""
        self._named_bytes += len(name) + len(value) + _FIELD_FRAME_BYTES
        if self._named_bytes > limits.HEAD_MAX_BYTES:
            raise HeadTooLarge
        name = name.lower()
        if name == b"expect":
            super().on_header(name, value)
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._unnamed_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unnamed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unnamed_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does when the parser stops, be it of itself or because of `HeadTooLarge`."""
        self._refuse(HeadTooLarge() if self._named_bytes > limits.HEAD_MAX_BYTES else problems.Malformed(msg))

    @property
    def _idle(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _count(self, size_bytes: int) -> None:
        self._named_bytes += size_bytes
        if self._named_bytes > limits.HEAD_MAX_BYTES:
            raise HeadTooLarge  # The parser stops here, and the request never begins.

    def _await_head(self) -> None:
        """Give the client so long to say what it wants, however it spreads the bytes."""
        if self._waiting is None:
            self._waiting = self.loop.call_later(limits.HEAD_WAIT_S, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self, problem: Problem) -> None:
        """Answer and hang up; without an answer where it would stand in the middle of another one."""
        if self._idle:
            body = problems.encode(problem)
            fields = [*problems.headers(problem), ("content-length", str(len(body))), ("connection", "close")]
            head = "".join(f"{name}: {value}\r\n" for name, value in fields)
            self.transport.write(STATUS_LINE[problem.status] + head.encode("latin-1") + b"\r\n" + body)
        self.transport.close()


def answer_whole(send: Any, status: int, head: bytes, body: bytes) -> bool:
    """Write a whole answer in one piece, if `send` is uvicorn's and nothing about the connection is unusual.

    `head` is header lines as they go over the wire, content-length among them. False: nothing was written, use `send`.
    Through ASGI's two messages each header is checked, joined and written again for every answer, in two packets: a
    sixth of what a refused attempt to hold seats costs.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or cycle.response_started or cycle.disconnected:
        return False
    if cycle.flow.write_paused or not cycle.keep_alive:
        return False
    always = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
    cycle.transport.write(b"".join((STATUS_LINE[status], always, head, b"\r\n", body)))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    cycle.on_response()
    return True
