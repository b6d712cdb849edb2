"""A collector of batches for each shard that is asked of, and no more of them than are kept in mind."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

from onsale.kit.coalesce import Coalescer
from onsale.kit.ids import ShardId

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Collectors(Generic[Ask, Answer]):
    """The collectors of one verb by shard: `make` gives a shard's when it is first asked of.

    Past `shards_max` of them, those that have been quiet longest are dropped. Busy ones stay: somebody waits there.
    """

    def __init__(self, make: Callable[[ShardId], Coalescer[Ask, Answer]], *, shards_max: int) -> None:
        self._make = make
        self._shards_max = shards_max
        self._by_shard: OrderedDict[ShardId, Coalescer[Ask, Answer]] = OrderedDict()

    async def ask(self, shard_id: ShardId, ask: Ask) -> Answer:
        """The answer to one ask of that shard. Raises what `Coalescer.ask` raises."""
        collector = self._by_shard.get(shard_id)
        if collector is None:
            self._make_room()
            collector = self._by_shard[shard_id] = self._make(shard_id)
        self._by_shard.move_to_end(shard_id)
        return await collector.ask(ask)

    def _make_room(self) -> None:
        """For one more."""
        surplus = max(0, len(self._by_shard) + 1 - self._shards_max)
        idle = (shard_id for shard_id, collector in self._by_shard.items() if collector.idle)
        for shard_id in list(islice(idle, surplus)):
            del self._by_shard[shard_id]

    def __len__(self) -> int:
        return len(self._by_shard)
