"""The map of a shard's seats in Redis, and what is published when it changes. The scripts in `lua/` say its form.

Nothing here is the truth. Every call raises RedisAway while Redis is away, and its caller says what happens then.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import resources

from onsale import limits
from onsale.inventory.mirror import CHANGE
from onsale.kit import chance, ids, redis
from onsale.kit.ids import ShardId
from onsale.kit.redis import FAULTS, RedisAway

BEATS = "{map}:beat"
"""Channel on which healers say that the maps have everything."""
Listening = redis.Wire
_HEALED = "{map}:healed"
_CHANGES_MAX_BYTES = CHANGE.size * limits.MAP_TELL_SEATS_MAX


def channel_of(shard_id: ShardId) -> str:
    """Where the steps of a shard's map are published."""
    return f"{_prefix(shard_id)}told"


def _prefix(shard_id: ShardId) -> str:
    return f"{{e{ids.event_of(shard_id)}}}:{shard_id % ids.GROUPS_PER_EVENT}:"


def _keys(shard_id: ShardId) -> tuple[str, str]:
    """The map, and the changes kept while one is being made."""
    return f"{_prefix(shard_id)}map", f"{_prefix(shard_id)}missed"


class MapCache:
    """The maps of all shards, as every process reaches them."""

    def __init__(self, client: redis.Client) -> None:
        self._client = client
        self._tell = _script("apply", "tell")
        self._fetch = _script("fetch")
        self._load = _script("apply", "load")
        self._lag = _script("lag")
        self._beat = _script("beat")
        self._drop = _script("drop")

    async def tell(self, changes: Iterable[tuple[ShardId, bytes]]) -> None:
        """Bring changes (as `mirror.pack_changes` packs them) into the maps, in one round trip."""
        kept = (limits.MAP_KEPT_S, limits.MAP_MISSED_MAX_BYTES)
        async with _ours(), self._client.pipeline(transaction=False) as pipe:
            for shard_id, packed in changes:
                for at in range(0, len(packed), _CHANGES_MAX_BYTES):
                    part = packed[at : at + _CHANGES_MAX_BYTES]
                    pipe.eval(self._tell, 2, *_keys(shard_id), channel_of(shard_id), part, *kept)
            await pipe.execute()

    async def fetch(self, shard_id: ShardId) -> tuple[bytes | None, bytes]:
        """The map and nothing; or None and the permission to make it from a snapshot that is read after this."""
        async with _ours():
            there, found = await self._client.eval(
                self._fetch, 2, *_keys(shard_id), new_epoch(), limits.MAP_MISSED_KEPT_S
            )
        return (found, b"") if there else (None, found)

    async def load(self, shard_id: ShardId, body: bytes, permission: bytes) -> None:
        """Make the map, unless there is one or the permission has lapsed; `fetch` again shows which."""
        args = (channel_of(shard_id), permission, body, limits.MAP_KEPT_S)
        async with _ours():
            await self._client.eval(self._load, 2, *_keys(shard_id), *args)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listening]:
        async with redis.wire(self._client) as wire:
            yield wire

    async def lagging(
        self, told: Mapping[ShardId, bytes], healer: str, number: int
    ) -> tuple[dict[ShardId, list[int] | None], int]:
        """Which seats of each shard are behind these (seat_no, change_no) pairs (None: all, once, while the map is
        being made), and the last round of this healer that Redis knows, -1 for none; then writes this round.

        All on one connection, so that one server says all of it.
        """
        async with _ours(), self._client.pipeline(transaction=False) as pipe:
            for shard_id, pairs in told.items():
                pipe.eval(self._lag, 2, *_keys(shard_id), channel_of(shard_id), pairs)
            pipe.set(_round_of(healer), number, get=True, ex=limits.MAP_KEPT_S)
            *found, last = await pipe.execute()
        behind = {shard_id: _numbers(seats) for shard_id, seats in zip(told, found, strict=True) if seats}
        return behind, int(last) if last is not None else -1

    async def begin_rounds(self, healer: str) -> tuple[int, int] | None:
        """The position up to which some healer has gone over the facts; rounds count from 0 now."""
        async with _ours(), self._client.pipeline(transaction=False) as pipe:
            pipe.set(_round_of(healer), 0, ex=limits.MAP_KEPT_S)
            pipe.get(_HEALED)
            _, healed = await pipe.execute()
        if healed is None:
            return None
        xid, fact_id = healed.split(b":")
        return int(xid), int(fact_id)

    async def beat(self, healer: str, number: int, position: tuple[int, int], *, heard: bool) -> bool:
        """End a round: keep the position, and publish the beat if it is to be heard. False: Redis lost the round."""
        keys = (_round_of(healer), _HEALED)
        args = (str(number), f"{position[0]}:{position[1]}", BEATS, "1" if heard else "0")
        async with _ours():
            return bool(await self._client.eval(self._beat, 2, *keys, *args))

    async def drop(self, shard_ids: Sequence[ShardId]) -> None:
        """Forget maps that may have lost changes, and tell who mirrors them. A new one has a new epoch."""
        async with _ours(), self._client.pipeline(transaction=False) as pipe:
            for shard_id in shard_ids:
                pipe.eval(self._drop, 2, *_keys(shard_id), channel_of(shard_id))
            await pipe.execute()

    async def all_shards(self) -> list[ShardId]:
        """Shards that have a map; goes over all keys of Redis."""
        async with _ours():
            found = [key async for key in self._client.scan_iter(match="{e*}:*:map", count=1_000)]
        names = [key.decode().split(":") for key in found]
        return [ids.shard_of(int(event[2:-1]), int(group)) for event, group, _ in names]


def new_epoch() -> bytes:
    """Eight bytes nobody has used: what one order of changes is called."""
    return chance.secret_bytes(8)


def _round_of(healer: str) -> str:
    return f"{{map}}:round:{healer}"


def _numbers(packed: bytes) -> list[int] | None:
    if packed == b"m":
        return None
    return [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]


def _script(*names: str) -> str:
    """Sent whole each time: Redis knows it by its hash, and no call depends on what an earlier one left there."""
    folder = resources.files(__package__).joinpath("lua")
    return "\n".join(folder.joinpath(f"{name}.lua").read_text() for name in names)


@asynccontextmanager
async def _ours() -> AsyncIterator[None]:
    try:
        yield
    except FAULTS as error:
        raise RedisAway from error
