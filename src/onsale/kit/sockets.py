"""WebSockets as plain ASGI: a socket that is accepted or refused once, and then only speaks.

A refusal is the same problem as over HTTP, sent instead of the handshake where the server can (ASGI's *WebSocket Denial
Response*); where it cannot, the server says 403 and no more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from onsale.kit import asgi
from onsale.kit.problems import Problem

# Close codes (RFC 6455, 7.4.1).
DONE = 1000
UNWELCOME = 1008
BROKEN = 1011
TRY_LATER = 1013


class Gone(Exception):
    """The other side has hung up; nothing can be sent any more."""


@dataclass(slots=True)
class Socket:
    """What a live endpoint sees of a WebSocket. `request` is its handshake."""

    request: asgi.Request
    send: asgi.Send
    accepted: bool = field(default=False, init=False)

    async def accept(self) -> None:
        """Raises Gone."""
        await self._send({"type": "websocket.accept"})
        self.accepted = True

    async def say(self, text: str) -> None:
        """Returns when the server has taken the message, so waits for who is slow. Raises Gone."""
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str = "") -> None:
        """Raises Gone."""
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def heard(self) -> bool:
        """Wait until the client sends something (true) or has gone (false). What it sends is not looked at."""
        message = await self.request.receive()
        return bool(message["type"] == "websocket.receive")

    async def refuse(self, problem: Problem) -> None:
        """Answer the handshake with a problem; after it, only a close code is left to say it with. Raises Gone."""
        scope = self.request.scope
        if self.accepted:
            await self.close(BROKEN if problem.status == 500 else TRY_LATER, problem.code)
        elif "websocket.http.response" in scope.get("extensions", {}):
            await self._deny(asgi.problem(problem))
        else:
            await self.close(TRY_LATER, problem.code)

    async def _deny(self, answer: asgi.Answer) -> None:
        headers = asgi.encoded_headers(answer)
        await self._send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": answer.body})

    async def _send(self, message: asgi.Scope) -> None:
        try:
            await self.send(message)
        except OSError as error:  # What ASGI lets a server raise when nobody is there any more.
            raise Gone from error


Endpoint = Callable[[Socket], Awaitable[None]]
