"""What the live map needs of the seats: where they stand, each step from there, what was missed. `app.py` fills it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from onsale.kit.ids import ShardId


class Delta(Protocol):
    """One step of the map. `seats` are (seat_no, state) after it, and may be empty: not every change shows."""

    @property
    def before(self) -> int: ...

    @property
    def version(self) -> int: ...

    @property
    def seats(self) -> tuple[tuple[int, int], ...]: ...


class Picture(Protocol):
    """The map at a version. Versions of two epochs cannot be compared. `states` is a byte a seat."""

    @property
    def version(self) -> int: ...

    @property
    def epoch(self) -> bytes: ...

    @property
    def states(self) -> bytes: ...


class SeatChanges(Protocol):
    """The steps of each shard's map, in order and without a gap, or a word that there is one."""

    async def picture(self, shard_id: ShardId, *, fresh: bool = False) -> Picture:
        """Raises Unavailable."""
        ...

    def since(self, shard_id: ShardId, epoch: bytes, version: int) -> Sequence[Delta] | None:
        """The steps from that version to now; None when they are not all in mind, or the epoch is another."""
        ...

    def listen(self, shard_id: ShardId, hear: Callable[[Delta | None], None]) -> Callable[[], None]:
        """`hear` gets each step from now on, or None when it is out of step and needs a fresh picture.

        Returns what ends the listening.
        """
        ...
