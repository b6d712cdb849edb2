"""Choosing the best seats for those who ask for some together. It is choosing where to try, not deciding.

All askers of a process choose from one picture of a shard at a time, each from what the ones before it have left.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from onsale import limits
from onsale.catalog import Layout
from onsale.inventory.best import Choices, Finder
from onsale.inventory.errors import NotOnSale, SeatsTaken
from onsale.inventory.seatmap import Picture, SeatMap
from onsale.kit.ids import ShardId
from onsale.kit.lru import Lru

Kept = Lru[ShardId, tuple[Picture, Choices]]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for on which chart; `zones` and `within` narrow it to price zones and a section."""

    chart: str
    layout: Layout
    quantity: int
    zones: frozenset[int] | None
    within: range | None


class Chooser:
    def __init__(self, seat_map: SeatMap) -> None:
        self._seat_map = seat_map
        self._finders: Lru[str, Finder] = Lru(limits.LAYOUTS_IN_MIND_MAX)
        # What to choose from, less this process' own choices; and the same untouched, to tell whether anything is left.
        self._choices: Kept = Lru(limits.SHARDS_IN_MIND_MAX)
        self._pristine: Kept = Lru(limits.SHARDS_IN_MIND_MAX)
        # Seats chosen by requests that are still under way: a new picture may not show them yet.
        self._chosen: dict[ShardId, Counter[int]] = {}
        self._answered: dict[ShardId, asyncio.Event] = {}

    async def choose(self, shard_id: ShardId, search: Search, *, fresh: bool) -> tuple[int, ...] | None:
        """The best seats, taken out of what others of this process choose from. Raises NotOnSale."""
        picture = await self._picture(shard_id, fresh=fresh)
        finder = self._finder(search)
        choices = _choosable(self._choices, shard_id, picture, finder, self._chosen.get(shard_id))
        seats = finder.find(choices, search.quantity, search.zones, search.within)
        if seats is not None:
            finder.take(choices, seats)
        return seats

    async def nothing_left(self, shard_id: ShardId, search: Search) -> bool:
        """Whether there are no such seats, even if everything this process is about to ask for were refused."""
        picture, finder = await self._picture(shard_id, fresh=False), self._finder(search)
        pristine = _choosable(self._pristine, shard_id, picture, finder, None)
        return finder.find(pristine, search.quantity, search.zones, search.within) is None

    @contextmanager
    def chosen(self, shard_id: ShardId, seats: tuple[int, ...]) -> Iterator[None]:
        """While these seats are being asked for, nobody else of this process chooses them, in later pictures either.

        Where that ends in anything but a hold of them, or in their being taken, they are there for the next again.
        """
        chosen = self._chosen.setdefault(shard_id, Counter())
        chosen.update(seats)
        try:
            yield
        except SeatsTaken:
            raise
        except BaseException:
            self.look_anew(shard_id)
            raise
        finally:
            # In place: others who are asking hold on to the same counter.
            chosen.subtract(seats)
            for seat_no in seats:
                if not chosen[seat_no]:
                    del chosen[seat_no]
            if not chosen and self._chosen.get(shard_id) is chosen:
                del self._chosen[shard_id]
            if answered := self._answered.pop(shard_id, None):
                answered.set()

    def look_anew(self, shard_id: ShardId) -> None:
        """Seats were chosen and not taken: what is chosen from is made anew, from the same picture if need be."""
        self._choices.forget(shard_id)

    async def one_more_known(self, shard_id: ShardId) -> None:
        """Wait until one of the requests under way is answered, if there are any: it may leave seats to the next.

        Not longer than a request itself would wait.
        """
        if self._chosen.get(shard_id):
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.HOLD_WAIT_MAX_S):
                    await self._answered.setdefault(shard_id, asyncio.Event()).wait()

    async def _picture(self, shard_id: ShardId, *, fresh: bool) -> Picture:
        picture = await self._seat_map.picture(shard_id, fresh=fresh)
        if not picture.states:
            raise NotOnSale
        return picture

    def _finder(self, search: Search) -> Finder:
        finder = self._finders.get(search.chart)
        if finder is None:
            finder = Finder(search.layout)
            self._finders.put(search.chart, finder)
        return finder


def _choosable(kept: Kept, shard_id: ShardId, picture: Picture, finder: Finder, chosen: Counter[int] | None) -> Choices:
    """What to choose from in a picture, one and the same for all who ask of it."""
    known = kept.get(shard_id)
    if known is None or known[0] is not picture:
        known = (picture, finder.choosable(picture.states))
        kept.put(shard_id, known)
        if chosen:
            finder.take(known[1], tuple(sorted(chosen)))
    return known[1]
