"""Who watches which map in this process, and for how many there is room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onsale import limits
from onsale.inventory import NotOnSale
from onsale.kit import tasks, telemetry
from onsale.kit.ids import ShardId
from onsale.live.channel import Channel
from onsale.live.errors import TooManyViewers
from onsale.live.ports import SeatChanges

viewers = telemetry.gauge("onsale_live_viewers", "Viewers of live maps, of all processes that live.")


class Live:
    """The channels of one process: made for the first viewer of an event, closed behind the last."""

    def __init__(self, changes: SeatChanges) -> None:
        self._changes = changes
        self._channels: dict[ShardId, Channel] = {}
        self._viewers = 0

    @asynccontextmanager
    async def watching(self, shard_id: ShardId) -> AsyncIterator[Channel]:
        """The event's channel, with a place in it. Raises TooManyViewers, NotOnSale, Unavailable."""
        channel = self._channels.get(shard_id)
        if self._viewers >= limits.LIVE_VIEWERS_MAX or (
            channel is not None and channel.viewers >= limits.LIVE_VIEWERS_PER_EVENT_MAX
        ):
            raise TooManyViewers(retry_after_s=limits.LIVE_HEARTBEAT_S)
        if channel is None:
            channel = self._channels[shard_id] = Channel(shard_id, self._changes)
        self._count(channel, 1)
        try:
            if not await channel.open():
                raise NotOnSale
            yield channel
        finally:
            self._count(channel, -1)
            if not channel.viewers:
                self._drop(shard_id, channel)

    async def close(self) -> None:
        """End every channel, and with it what its viewers wait for."""
        for channel in list(self._channels.values()):  # Viewers who hear of it drop theirs meanwhile.
            await channel.close()

    def _count(self, channel: Channel, more: int) -> None:
        channel.viewers += more
        self._viewers += more
        viewers.inc(more)

    def _drop(self, shard_id: ShardId, channel: Channel) -> None:
        # Before anything is awaited: the next viewer opens a channel of their own, not the one that is closing.
        del self._channels[shard_id]
        tasks.spawn(channel.close(), name=f"live map {shard_id} closes")
