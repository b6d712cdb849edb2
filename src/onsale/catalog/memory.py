"""What this process remembers of the catalogue: bounded, read once for everybody who asks, kept for a stated time."""

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from onsale.kit import clock, telemetry
from onsale.kit.coalesce import Coalescer
from onsale.kit.problems import Unavailable
from onsale.limits import READ_BATCH_MAX, READ_QUEUE_MAX

Key = TypeVar("Key")
Value = TypeVar("Value")

stale_reads = telemetry.counter(
    "onsale_catalog_stale_total", "Answers of the catalogue from memory while the database was away.", ["what"]
)


@dataclass(slots=True)
class _Kept(Generic[Value]):
    value: Value
    read_at: float
    look_again_at: float


class Memory(Generic[Key, Value]):
    """Values by key: at most `size_max` of them, the least recently used dropped, each at most `age_max_s` old.

    `read` gives what exists of the keys asked for. One read is under way at a time; whoever asks meanwhile shares the
    next, so a crowd that arrives at once costs one read. While the database is away, what is not older than
    `stale_max_s` is still good: a page without the last second's changes beats no page.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]],
        *,
        name: str,
        size_max: int,
        age_max_s: float = math.inf,
        stale_max_s: float = 0.0,
        batch_max: int = READ_BATCH_MAX,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._read = read
        self._name = name
        self._size_max = size_max
        self._age_max_s = age_max_s
        self._stale_max_s = stale_max_s
        self._monotonic = monotonic
        self._forgotten = 0
        self._kept: OrderedDict[Key, _Kept[Value]] = OrderedDict()
        self._reads: Coalescer[Key, Value | None] = Coalescer(
            self._answer, name=name, batch_max=batch_max, queue_max=READ_QUEUE_MAX
        )

    async def get(self, key: Key) -> Value | None:
        """The value, or None when there is none; that nothing is there is not remembered. Raises Unavailable."""
        kept = self._kept.get(key)
        if kept is not None and self._monotonic() < kept.look_again_at:
            self._kept.move_to_end(key)
            return kept.value
        return await self._reads.ask(key)

    def forget(self, key: Key) -> None:
        """This process changed it, and shall see its own change."""
        self._kept.pop(key, None)
        self._forgotten += 1

    async def _answer(self, keys: Sequence[Key]) -> Sequence[Value | Exception | None]:
        began_at, forgotten = self._monotonic(), self._forgotten
        known = {key: kept for key in keys if (kept := self._kept.get(key))}
        good = {key: kept.value for key, kept in known.items() if began_at < kept.look_again_at}
        wanted = [key for key in dict.fromkeys(keys) if key not in good]
        if not wanted:
            return [good[key] for key in keys]
        try:
            found = await self._read(wanted)
        except Unavailable as error:
            return [good[key] if key in good else self._stale(key, error) for key in keys]
        # Something was changed while we read, and we may have read what it was before: good for those who asked before.
        for key in wanted if forgotten == self._forgotten else ():
            self._keep(key, found, began_at)
        return [good[key] if key in good else found.get(key) for key in keys]

    def _keep(self, key: Key, found: Mapping[Key, Value], began_at: float) -> None:
        self._kept.pop(key, None)
        if key in found:
            self._kept[key] = _Kept(found[key], began_at, began_at + self._age_max_s)
            if len(self._kept) > self._size_max:
                self._kept.popitem(last=False)

    def _stale(self, key: Key, error: Unavailable) -> Value | Exception:
        """What we last knew, if young enough. The next look is put off: not everybody need wait for a dead database."""
        kept, now = self._kept.get(key), self._monotonic()
        if kept is None or now - kept.read_at > self._stale_max_s:
            return error
        kept.look_again_at = now + self._age_max_s
        stale_reads.labels(self._name).inc()
        return kept.value
