"""Lines as Redis keeps them. The scripts in `lua/` say their form.

What is here may be lost: a server says so itself, by not being the one that began the epoch. Every call raises
RedisAway while Redis is away.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from struct import Struct

from onsale.kit import ids, redis
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.redis import FAULTS, RedisAway
from onsale.waitingroom.model import Ask, Board, Handed

__all__ = ["LineCache", "Numbers", "RedisAway"]

_ASK = Struct("<16sdI?")
_SEEN_FROM_UNIX_S = 1_577_836_800
"""`seen` counts from 2020, and ends in 2156."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a server answered: its epoch and ceiling, and a number for each ask, 0 where there is none."""

    epoch: int
    given: int
    ceiling: int
    numbers: Sequence[int]


class LineCache:
    def __init__(self, client: redis.Client) -> None:
        self._client = client
        self._join = _script(client, "join")
        self._leave = _script(client, "leave")
        self._begin = _script(client, "begin")
        self._raise = _script(client, "raise")
        self._look = _script(client, "look")

    async def join(self, shard_id: ShardId, asks: Sequence[Ask]) -> Numbers | None:
        """Give or find a place for each, in order. None: this server does not have the line."""
        async with _ours():
            answer = await self._join(keys=[_key(shard_id)], args=[b"".join(map(_packed, asks)), _SEEN_FROM_UNIX_S])
        if not answer:
            return None
        epoch, given, ceiling, *numbers = answer
        return Numbers(epoch, given, ceiling, numbers)

    async def leave(self, shard_id: ShardId, persons: Sequence[PersonKey]) -> bool:
        """Give up their places. False: this server does not have the line."""
        async with _ours():
            left = await self._leave(keys=[_key(shard_id)], args=[b"".join(person.bytes for person in persons)])
        return int(left) >= 0

    async def begin(self, shard_id: ShardId, handed: Handed) -> int:
        """Begin an epoch that is committed; the epoch there is then."""
        async with _ours():
            return int(await self._begin(keys=[_key(shard_id)], args=[handed.epoch, handed.after, handed.ceiling]))

    async def raise_ceiling(self, shard_id: ShardId, handed: Handed) -> None:
        """Let numbers be given that are committed. Changes nothing where that has been done, or the epoch is over."""
        async with _ours():
            await self._raise(keys=[_key(shard_id)], args=[handed.epoch, handed.after, handed.ceiling])

    async def look(self, shard_id: ShardId) -> Board | None:
        """The board, without its gaps. None: this server does not have the line."""
        async with _ours():
            answer = await self._look(keys=[_key(shard_id)])
        if not answer:
            return None
        epoch, serving, given, *left = map(int, answer)
        return Board(epoch, serving, given, left=tuple(zip(left[::2], left[1::2], strict=True)))


def _packed(ask: Ask) -> bytes:
    if ask.shown is None:
        return _ASK.pack(ask.person.bytes, 0, 0, ask.may_join)
    return _ASK.pack(ask.person.bytes, ask.shown.number, ask.shown.epoch, ask.may_join)


def _key(shard_id: ShardId) -> str:
    return f"{{e{ids.event_of(shard_id)}}}:{shard_id % ids.GROUPS_PER_EVENT}:line"


def _script(client: redis.Client, name: str) -> redis.Script:
    folder = resources.files(__package__).joinpath("lua")
    return client.register_script("\n".join(folder.joinpath(f"{part}.lua").read_text() for part in ("line", name)))


@asynccontextmanager
async def _ours() -> AsyncIterator[None]:
    try:
        yield
    except FAULTS as error:
        raise RedisAway from error
