"""The steps of the seat map found by looking again and again: the live map's port, filled without inventory's help."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from tests.unit.live.seats import Photo, Step

from onsale.inventory.seatmap import SeatMap
from onsale.kit import clock, tasks
from onsale.kit.ids import ShardId
from onsale.live import Delta, Picture

LOOK_EVERY_S = 0.01
EPOCH = b"\x01"


class Polled:
    """`seat_map` is looked at while somebody listens; what was seen before a version is kept for ever."""

    def __init__(self, seat_map: SeatMap) -> None:
        self._seat_map = seat_map
        self._steps: list[Delta] = []
        self._begun_at: int | None = None

    async def picture(self, shard_id: ShardId, *, fresh: bool = False) -> Picture:
        picture = await self._seat_map.picture(shard_id, fresh=fresh)
        return Photo(picture.version, EPOCH, picture.states)

    def since(self, shard_id: ShardId, epoch: bytes, version: int) -> list[Delta] | None:
        if epoch != EPOCH or self._begun_at is None or version < self._begun_at:
            return None
        return [step for step in self._steps if step.version > version]

    def listen(self, shard_id: ShardId, hear: Callable[[Delta | None], None]) -> Callable[[], None]:
        looking = tasks.spawn(self._look(shard_id, hear), name="look at the seats")

        def stop() -> None:
            looking.cancel()

        return stop

    async def _look(self, shard_id: ShardId, hear: Callable[[Delta | None], None]) -> None:
        with suppress(asyncio.CancelledError):
            known = await self.picture(shard_id, fresh=True)
            self._begun_at = known.version
            self._steps.clear()
            while True:
                await clock.sleep(LOOK_EVERY_S)
                seen = await self.picture(shard_id, fresh=True)
                if seen.version > known.version:
                    pairs = enumerate(zip(known.states, seen.states, strict=True))
                    changed = tuple((seat_no, now - ord("0")) for seat_no, (was, now) in pairs if was != now)
                    step = Step(known.version, seen.version, changed)
                    self._steps.append(step)
                    hear(step)
                    known = seen
