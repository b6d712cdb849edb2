"""Bounds on what stands behind a message: uvicorn waits for a WebSocket that takes nothing, for ever.

Used as uvicorn's `ws=`. ASGI can only ask to close, which waits for the same full buffer; here the connection is cut.
"""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from onsale import limits


class BoundedBacklog(WebSocketsSansIOProtocol):
    """One connection. Above `LIVE_BACKLOG_MAX_BYTES` nothing more is written, and who leaves it so is hung up on."""

    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=limits.LIVE_BACKLOG_MAX_BYTES)
        # The kernel would buffer megabytes more, out of sight: old news to whom we take for quick.
        line = transport.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.LIVE_BACKLOG_MAX_BYTES)
            self._bound_silence(line)

    def _bound_silence(self, line: socket.socket) -> None:
        """Where the kernel can, it hangs up on who takes nothing also while we wait to close with little to say."""
        if hasattr(socket, "TCP_USER_TIMEOUT") and line.family in (socket.AF_INET, socket.AF_INET6):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.LIVE_STALL_MAX_S * 1000))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The whole head comes at once, from the HTTP side. One that cannot be read gets no answer and no end there.
        if not self.handshake_initiated:
            self.transport.close()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # A refusal completes the handshake, too: uvicorn would write a line about each to its log.
            self.handshake_complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(limits.LIVE_STALL_MAX_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_waiting()
        super().resume_writing()

    def _stop_waiting(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
