"""One event's stream in one process: one listener on its seats, one text a tick, however many viewers.

There is no queue. A viewer is only the version it has; who was slow finds the news gone by, and gets all it missed as
one message (or the word to take a new picture) the next time it can take anything.
"""

import asyncio
import contextlib
from collections.abc import Callable

from onsale import limits
from onsale.kit import clock, tasks, telemetry
from onsale.kit.ids import ShardId
from onsale.kit.problems import Problem, Unavailable
from onsale.live import model
from onsale.live.model import Mark, Message
from onsale.live.ports import Delta, SeatChanges

resyncs = telemetry.counter(
    "onsale_live_resyncs_total", "Viewers told to take a new picture of the seats, by reason.", ["why"]
)


class Channel:
    """`viewers` is how many there are; who counts them decides when the channel is closed."""

    def __init__(self, shard_id: ShardId, changes: SeatChanges) -> None:
        self.viewers = 0
        self._shard_id = shard_id
        self._changes = changes
        self._heard = Mark(0, b"")
        self._gathered: dict[int, int] = {}
        # What is heard while a picture is being taken, and may be newer than it; None at other times.
        self._early: list[Delta | None] | None = None
        self._out_of_step = False
        self._changed = asyncio.Event()
        self._latest = Message(0, self._heard, "")
        self._said_at_s = 0.0
        self._turn = asyncio.Event()
        self._caught_up: dict[int, Message] = {}
        self._opening: asyncio.Task[int] | None = None
        self._running: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    async def open(self) -> int:
        """How many seats there are, once there is a picture to go on from. Raises Unavailable, for all who wait."""
        if self._opening is None:
            self._opening = tasks.spawn(self._begin(), name=f"live map {self._shard_id} opens")
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """End it, and what its viewers wait for. Twice does no harm."""
        stop, self._stop_listening = self._stop_listening, lambda: None
        stop()
        await tasks.cancel(*(task for task in (self._opening, self._running) if task is not None))

    def start(self, since: Mark) -> Message | None:
        """What a viewer who comes with that picture must hear first; None when it lacks nothing. Counts a resync."""
        if since.epoch == self._heard.epoch and since.version >= self._heard.version:
            return None  # Another process may be ahead of this one: such a viewer waits until we are there, too.
        return self._catch_up(since)

    async def after(self, mark: Mark) -> Message:
        """The next message for a viewer who stands at `mark`. Raises Unavailable when the channel has ended."""
        while True:
            behind = mark.epoch != self._latest.mark.epoch or mark.version < self._latest.mark.version
            if not behind:
                await self._turn.wait()
            if self._running is None or self._running.done():
                raise Unavailable("The live map has ended; come again")
            latest = self._latest
            if mark.epoch == latest.mark.epoch and latest.suits(mark.version):
                return latest
            if mark.epoch != latest.mark.epoch or mark.version < latest.before:
                return self._catch_up(mark)

    def hear(self, delta: Delta | None) -> None:
        """A step of the map, or None: out of step."""
        if self._early is not None:
            self._early = [None] if len(self._early) >= limits.LIVE_EARLY_DELTAS_MAX else [*self._early, delta]
            return
        reached = None if delta is None else model.merged((delta,), self._heard.version)
        if reached is None or len(self._gathered) > limits.LIVE_SEATS_MAX:
            self._out_of_step = True
        else:
            self._heard = self._heard._replace(version=reached[0])
            self._gathered.update(reached[1])
        self._changed.set()

    async def _begin(self) -> int:
        self._early = []
        self._stop_listening = self._changes.listen(self._shard_id, self.hear)
        seats = await self._take_picture(fresh=False)
        self._running = tasks.spawn(self._run(), name=f"live map {self._shard_id}")
        return seats

    async def _take_picture(self, *, fresh: bool) -> int:
        """Go on from a picture and from what was heard since. Returns its number of seats. Raises Unavailable."""
        self._early = []
        picture = await self._changes.picture(self._shard_id, fresh=fresh)
        self._heard = Mark(picture.version, picture.epoch)
        self._gathered.clear()
        self._out_of_step = False
        self._publish(model.step(picture.version, self._heard, {}))
        early, self._early = self._early, None
        for delta in early:
            self.hear(delta)
        return len(picture.states)

    async def _run(self) -> None:
        try:
            while True:
                await self._news()
                if self._out_of_step:
                    await self._recover()
                elif self._gathered or self._quiet_s() >= limits.LIVE_HEARTBEAT_S:
                    seats, self._gathered = self._gathered, {}
                    self._publish(model.step(self._latest.mark.version, self._heard, seats))
                await clock.sleep(limits.LIVE_TICK_S)
        finally:
            self._turn.set()

    async def _news(self) -> None:
        """Wait until something was heard, or until it is time to say that we are still there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, limits.LIVE_HEARTBEAT_S - self._quiet_s())):
                await self._changed.wait()
        self._changed.clear()

    async def _recover(self) -> None:
        """Take a fresh picture; each viewer then gets what leads there from its own, or is told to take one, too."""
        try:
            await self._take_picture(fresh=True)
        except Problem:
            # Nobody knows more at the moment. Availability says 503 meanwhile, and viewers keep what they have.
            self._early = None
            self._out_of_step = True
            self._changed.set()
            await clock.sleep(limits.LIVE_RETRY_S)

    def _publish(self, message: Message) -> None:
        self._latest = message
        self._said_at_s = clock.monotonic()
        self._caught_up.clear()
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def _quiet_s(self) -> float:
        return clock.monotonic() - self._said_at_s

    def _catch_up(self, mark: Mark) -> Message:
        """All that who stands at `mark` has missed, as one message: made once a tick for all who stand there."""
        if mark.epoch != self._heard.epoch:
            return self._resync("epoch")
        message = self._caught_up.get(mark.version)
        if message is None:
            deltas = self._changes.since(self._shard_id, mark.epoch, mark.version)
            reached = model.merged(deltas, mark.version) if deltas is not None else None
            if reached is None or reached[0] < self._latest.mark.version:
                return self._resync("history")
            version, seats = reached
            if len(seats) > limits.LIVE_SEATS_MAX:
                return self._resync("size")
            message = model.step(mark.version, Mark(version, mark.epoch), seats)
            if len(self._caught_up) < limits.LIVE_CATCH_UPS_MAX:
                self._caught_up[mark.version] = message
        return message

    def _resync(self, why: str) -> Message:
        resyncs.labels(why).inc()
        return model.resync(self._heard)
