"""Keeps this process' mirrors in step: one connection that listens, a load for each shard of interest, and trust.

Trust has no clocks of others in it. We ask on the listening connection itself, four times a second, and an answer tells
that all published before the question was sent has been heard; so a process that stood still for a minute knows it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from onsale import limits
from onsale.inventory import store
from onsale.inventory.cache import BEATS, Listening, MapCache, channel_of, new_epoch
from onsale.inventory.mirror import Delta, Mirror, pack_map
from onsale.kit import clock, db, tasks
from onsale.kit.ids import ShardId
from onsale.kit.problems import Unavailable

_LONG_AGO_S = float("-inf")
_BEATS = BEATS.encode()


class Watch:
    """The mirrors of the shards this process is interested in, the least recently used dropped beyond the bound."""

    def __init__(
        self, database: db.Database, cache: MapCache | None, say: Callable[[ShardId, Delta | None], None]
    ) -> None:
        self._database = database
        self._cache = cache
        self._say = say
        self._mirrors: OrderedDict[ShardId, Mirror] = OrderedDict()
        self._by_channel: dict[bytes, ShardId] = {}
        self._loading: dict[ShardId, asyncio.Task[None]] = {}
        self._tried_at_s: dict[ShardId, float] = {}
        self._loads = asyncio.Semaphore(limits.MAP_LOADS_MAX)
        self._wire: Listening | None = None
        self._subscribed: dict[bytes, asyncio.Future[None]] = {}
        self._asked_at_s: dict[bytes, float] = {}
        self._answered_at_s = _LONG_AGO_S
        self._beat_at_s = _LONG_AGO_S

    def mirror(self, shard_id: ShardId) -> Mirror:
        """The shard's mirror, in step or not; asking for it is what makes us interested."""
        mirror = self._mirrors.get(shard_id)
        if mirror is None:
            mirror = self._mirrors[shard_id] = Mirror(partial(self._say, shard_id))
            self._by_channel[channel_of(shard_id).encode()] = shard_id
            self._fit()
            self._keep(shard_id, mirror)
        self._mirrors.move_to_end(shard_id)
        return mirror

    def _fit(self) -> None:
        """Keep to the bounds: never the newest, which somebody wants now."""
        seats = sum(len(mirror.states) for mirror in self._mirrors.values())
        while len(self._mirrors) > 1 and (
            len(self._mirrors) > limits.SHARDS_IN_MIND_MAX or seats > limits.MIRROR_SEATS_MAX
        ):
            oldest = next(iter(self._mirrors))
            seats -= len(self._mirrors[oldest].states)
            self.forget(oldest)

    def known(self, shard_id: ShardId) -> Mirror | None:
        """The mirror of a shard somebody is interested in."""
        return self._mirrors.get(shard_id)

    def forget(self, shard_id: ShardId) -> None:
        mirror = self._mirrors.pop(shard_id, None)
        if mirror is None:
            return
        mirror.lose()
        channel = channel_of(shard_id).encode()
        del self._by_channel[channel]
        self._tried_at_s.pop(shard_id, None)
        subscribed, loading = self._subscribed.pop(channel, None), self._loading.get(shard_id)
        if loading and loading is not asyncio.current_task():
            loading.cancel()  # Redis' answer would find nobody any more, and the load would wait for it for ever.
        if subscribed and self._wire:
            tasks.spawn(_quietly(self._wire, "UNSUBSCRIBE", channel), name="unsubscribe")

    def trusted(self, now_s: float) -> bool:
        """Whether a mirror in step may refuse: all up to a moment ago was heard, and the healer vouches for it."""
        return (
            now_s - self._answered_at_s < limits.MAP_PIPE_AGE_MAX_S
            and now_s - self._beat_at_s < limits.MAP_BEAT_AGE_MAX_S
        )

    def showable(self, now_s: float) -> bool:
        """Whether mirrors in step are good enough for looking."""
        return self._wire is not None and now_s - self._beat_at_s < limits.MAP_SHOWN_BEAT_AGE_MAX_S

    async def settled(self, shard_id: ShardId) -> None:
        """Wait for a load under way, if there is one, for a while."""
        if task := self._loading.get(shard_id):
            await asyncio.wait({task}, timeout=limits.MAP_SHOWN_AGAIN_S)

    async def run(self) -> None:
        """Listen for ever, over all troubles of Redis."""
        if self._cache is None:
            return
        while True:
            with suppress(Unavailable):
                async with self._cache.listening() as wire:
                    try:
                        await self._listen(wire)
                    finally:
                        self._lost()
            await clock.sleep(limits.MAP_RECONNECT_AFTER_S)

    async def _listen(self, wire: Listening) -> None:
        self._subscribed[_BEATS] = asyncio.get_running_loop().create_future()
        await wire.send("SUBSCRIBE", BEATS)
        self._wire = wire
        asking = tasks.spawn(self._ask(wire), name="ask Redis on the listening connection")
        try:
            while True:
                kind, *rest = await wire.read()
                self._heard(kind, rest)
        finally:
            await tasks.cancel(asking)

    def _heard(self, kind: bytes, rest: list[bytes]) -> None:
        if kind == b"message":
            channel, body = rest
            if channel == _BEATS:
                # It may have waited in the pipe. It is not older than the last question that was answered before it.
                self._beat_at_s = self._answered_at_s
            elif (shard_id := self._by_channel.get(channel)) is not None:
                mirror = self._mirrors[shard_id]
                mirror.hear(body)
                if not mirror.in_step:
                    self._keep(shard_id, mirror)
        elif kind == b"pong":
            self._answered_at_s = self._asked_at_s.pop(rest[0], self._answered_at_s)
        elif kind == b"subscribe" and (waiting := self._subscribed.get(rest[0])) and not waiting.done():
            waiting.set_result(None)

    async def _ask(self, wire: Listening) -> None:
        number = 0
        while True:
            number += 1
            self._asked_at_s[b"%d" % number] = clock.monotonic()
            try:
                await wire.send("PING", b"%d" % number)
            except Unavailable:
                return  # Who reads hears of it, too.
            self._keep_all()
            await clock.sleep(limits.MAP_PING_EVERY_S)

    def _lost(self) -> None:
        """The connection is gone: nothing is known to be in step any more."""
        self._wire = None
        self._answered_at_s = self._beat_at_s = _LONG_AGO_S
        self._asked_at_s.clear()
        for future in self._subscribed.values():
            future.cancel()
        self._subscribed.clear()
        for task in self._loading.values():
            task.cancel()
        self._loading.clear()
        self._tried_at_s.clear()
        for mirror in self._mirrors.values():
            mirror.lose()

    def _keep_all(self) -> None:
        for shard_id, mirror in list(self._mirrors.items()):
            if not mirror.in_step:
                self._keep(shard_id, mirror)

    def _keep(self, shard_id: ShardId, mirror: Mirror) -> None:
        """Load it, unless that is under way or was in vain a moment ago."""
        if self._wire is None or shard_id in self._loading:
            return
        if clock.monotonic() - self._tried_at_s.get(shard_id, _LONG_AGO_S) < limits.MAP_LOAD_AGAIN_S:
            return
        task = tasks.spawn(self._load(self._wire, shard_id, mirror), name=f"load the map of {shard_id}")
        self._loading[shard_id] = task

    async def _load(self, wire: Listening, shard_id: ShardId, mirror: Mirror) -> None:
        try:
            async with self._loads:
                await self._subscribe(wire, channel_of(shard_id))
                for _ in range(limits.MAP_LOAD_ATTEMPTS_MAX):
                    if await self._take(shard_id, mirror):
                        return
            self._tried_at_s[shard_id] = clock.monotonic()
        except Unavailable:
            self._tried_at_s[shard_id] = clock.monotonic()
        finally:
            if self._loading.get(shard_id) is asyncio.current_task():
                del self._loading[shard_id]
            if not mirror.in_step:
                mirror.lose()

    async def _subscribe(self, wire: Listening, channel: str) -> None:
        """Until Redis says so: only then is everything that comes after what we fetch heard."""
        name = channel.encode()
        waiting = self._subscribed.get(name)
        if waiting is None:
            waiting = self._subscribed[name] = asyncio.get_running_loop().create_future()
            await wire.send("SUBSCRIBE", channel)
        await asyncio.shield(waiting)

    async def _take(self, shard_id: ShardId, mirror: Mirror) -> bool:
        """One attempt. True when there is nothing more to try."""
        assert self._cache is not None
        mirror.begin()
        found, permission = await self._cache.fetch(shard_id)
        if found is not None:
            loaded = mirror.load(found)
            self._fit()
            return loaded
        async with self._database.transaction(shard_id) as tx:
            version, seats = await store.snapshot(tx, shard_id)
        if not seats:
            self.forget(shard_id)  # Nothing is on sale. Who asks again after that is interested again.
            return True
        await self._cache.load(shard_id, pack_map(new_epoch(), seats, version), permission)
        return False


async def _quietly(wire: Listening, *command: str | bytes) -> None:
    with suppress(Unavailable):
        await wire.send(*command)
