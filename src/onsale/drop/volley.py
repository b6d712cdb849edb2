"""A generator that costs little: prepared requests, written when they are due, over connections that are kept.

`client` and `load` serve fans who behave, at some thousand requests a second and core; a benchmark of a hot endpoint
wants ten times that beside the system it measures. So there is one small protocol object a connection, no task a
request, and of an answer only its status, its length and its body are looked at. Open loop as in `load`: latency counts
from when a request was due.
"""

import asyncio
import re
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from typing import cast
from urllib.parse import urlsplit

import msgspec

from onsale.drop.drop_limits import CONNECT_TIMEOUT_S, CONNECTIONS_AT_ONCE_MAX, DRAIN_S, RECONNECT_AFTER_S
from onsale.drop.histogram import Histogram, Summary
from onsale.kit import clock, tasks

Make = Callable[[int], bytes]
"""The whole request of that number, as it goes over the wire."""
Judge = Callable[[int, int, bytes], str]
"""What an answer means: number, status, body -> the name of the outcome. Called once an answer, so it must be quick."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_UNANSWERED = "unanswered"
_BROKEN = "broken"


class Shot(msgspec.Struct, frozen=True):
    """What a volley saw. `latency` counts from when a request was due, by outcome and for all together.

    lateness    from when a request could have been written until it was: the generator's own slowness
    held_back   requests that found every connection busy; their wait is in the latency
    elapsed_s   from the first arrival to the last answer
    """

    offered: int
    elapsed_s: float
    outcomes: dict[str, Summary]
    latency: Summary
    lateness: Summary
    held_back: int

    def count(self, outcome: str) -> int:
        """How many ended that way."""
        found = self.outcomes.get(outcome)
        return found.count if found else 0


class Volley:
    """Kept connections to one server, and the requests that travel on them. `async with` closes them."""

    def __init__(self, base_url: str, connections: int) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 80
        self._connections = connections
        self._lines: set[_Line] = set()
        self._free: list[_Line] = []
        self._due: deque[tuple[int, float]] = deque()
        self._make: Make = lambda number: b""
        self._judge: Judge = lambda number, status, body: str(status)
        self._names: dict[str, int] = {}
        self._closing = False
        self._reset()

    def _reset(self) -> None:
        self._latencies_s, self._latenesses_s, self._outcomes = array("f"), array("f"), array("H")
        self._held_back = 0
        self._last_s = 0.0

    async def __aenter__(self) -> "Volley":
        room = asyncio.Semaphore(CONNECTIONS_AT_ONCE_MAX)

        async def one() -> None:
            async with room:
                await self._connect()

        await asyncio.gather(*(one() for _ in range(self._connections)))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._closing = True
        for line in list(self._lines):
            line.close()

    async def fire(self, arrivals: Iterable[float], make: Make, judge: Judge, *, drain_s: float = DRAIN_S) -> Shot:
        """Write a request at each of `arrivals` (seconds from now, ascending), whatever became of those before."""
        self._reset()
        self._make, self._judge = make, judge
        begun_s = clock.monotonic()
        offered = await self._offer(arrivals, begun_s)
        await self._drain(offered, drain_s)
        return self._shot(offered, begun_s)

    async def burst(self, make: Make, judge: Judge, *, drain_s: float = DRAIN_S) -> Shot:
        """A request on every connection in the same instant."""
        return await self.fire([0.0] * len(self._free), make, judge, drain_s=drain_s)

    async def _offer(self, arrivals: Iterable[float], begun_s: float) -> int:
        offered = 0
        now_s = clock.monotonic()
        for after_s in arrivals:
            due_s = begun_s + after_s
            while due_s > now_s:
                await clock.sleep(max(due_s - now_s, _TICK_S))
                now_s = clock.monotonic()
            self._begin(offered, due_s)
            offered += 1
            if not offered % _LOOK_UP_EVERY:  # A burst must not shut out the answers, and the clock goes on.
                await clock.sleep(0)
                now_s = clock.monotonic()
        return offered

    def _begin(self, number: int, due_s: float) -> None:
        if not self._free:
            self._held_back += 1
            self._due.append((number, due_s))
            return
        self._latenesses_s.append(clock.monotonic() - due_s)
        self._free.pop().write(number, due_s, self._make(number))

    async def _drain(self, offered: int, drain_s: float) -> None:
        """Wait for the answers. Past `drain_s` what was not written yet is left, but what is under way has its time."""
        await self._until(lambda: len(self._outcomes) == offered, drain_s)
        self._due.clear()
        await self._until(lambda: not any(line.busy for line in self._lines), drain_s)
        for line in [line for line in self._lines if line.busy]:  # What has no answer by now is told as such.
            line.give_up()

    async def _until(self, done: Callable[[], bool], within_s: float) -> None:
        until_s = clock.monotonic() + within_s
        while not done() and clock.monotonic() < until_s:
            await clock.sleep(0.005)

    def ended(self, line: "_Line", number: int, due_s: float, status: int, body: bytes) -> None:
        """An answer has come, or (status 0) will not: count it, and let the connection carry what waits."""
        now_s = clock.monotonic()
        outcome = self._judge(number, status, body) if status else (_UNANSWERED if line.given_up else _BROKEN)
        self._outcomes.append(self._names.setdefault(outcome, len(self._names)))
        self._latencies_s.append(now_s - due_s)
        self._last_s = now_s
        if line.alive:
            self._release(line)

    def _release(self, line: "_Line") -> None:
        if self._due:
            number, due_s = self._due.popleft()
            line.write(number, due_s, self._make(number))
        else:
            self._free.append(line)

    def lost(self, line: "_Line") -> None:
        """A connection has ended: another takes its place, as a browser would open one."""
        self._lines.discard(line)
        if line in self._free:
            self._free.remove(line)
        if not self._closing:
            tasks.spawn(self._reconnect(), name="volley reconnect")

    async def _reconnect(self) -> None:
        while not self._closing:
            try:
                await self._connect()
                return
            except OSError:
                await clock.sleep(RECONNECT_AFTER_S)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, line = await loop.create_connection(lambda: _Line(self), self._host, self._port)
        self._lines.add(line)
        self._release(line)

    def _shot(self, offered: int, begun_s: float) -> Shot:
        names = {index: name for name, index in self._names.items()}
        outcomes: dict[str, Histogram] = {}
        every, late = Histogram(), Histogram()
        for index, latency_s in zip(self._outcomes, self._latencies_s, strict=True):
            outcomes.setdefault(names[index], Histogram()).record(latency_s)
            every.record(latency_s)
        for lateness_s in self._latenesses_s:
            late.record(lateness_s)
        return Shot(
            offered=offered,
            elapsed_s=max(self._last_s - begun_s, 0.0),
            outcomes={name: outcomes[name].summary() for name in sorted(outcomes)},
            latency=every.summary(),
            lateness=late.summary(),
            held_back=self._held_back,
        )


# Waking for every single request would cost as much as sending it. What this makes late is counted in `lateness`.
_TICK_S = 0.001
# Requests written before the answers are let in, when many are due at once.
_LOOK_UP_EVERY = 32


class _Line(asyncio.Protocol):
    """One connection with at most one request under way."""

    __slots__ = ("_buffer", "_due_s", "_number", "_transport", "_volley", "given_up")

    def __init__(self, volley: Volley) -> None:
        self._volley = volley
        self._transport: asyncio.Transport | None = None
        self._number = -1
        self._due_s = 0.0
        self._buffer = b""
        self.given_up = False

    @property
    def busy(self) -> bool:
        return self._number >= 0

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def write(self, number: int, due_s: float, data: bytes) -> None:
        self._number, self._due_s = number, due_s
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def give_up(self) -> None:
        """No answer any more: what may still come must not be read as another's, so the connection ends."""
        self.given_up = True
        self.close()
        self._end(0, b"")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio's do, without descending from them.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head + 2) if head >= 0 else None
        if head < 0 or len(data) < head + 4 + (int(length[1]) if length else 0):
            self._buffer = data
            return
        self._buffer = b""
        if self._number >= 0:
            self._end(int(data[9:12]), data[head + 4 :])

    def connection_lost(self, error: Exception | None) -> None:
        if self._number >= 0:
            self._end(0, b"")
        self._volley.lost(self)

    def _end(self, status: int, body: bytes) -> None:
        number, self._number = self._number, -1
        self._volley.ended(self, number, self._due_s, status, body)
