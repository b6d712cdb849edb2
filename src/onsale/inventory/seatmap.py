"""The map of seats as this process knows it: pictures, the steps between them, and a quick no to who wants taken seats.

It is for looking, for choosing where to try, and for refusing what is surely taken. Whether a seat is free is decided
under lock, never from here. While Redis is away, or nobody vouches for its maps, pictures come from PostgreSQL and
nobody is refused from here: the same code goes on.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from struct import pack

from onsale import limits
from onsale.inventory import store
from onsale.inventory.cache import MapCache, new_epoch
from onsale.inventory.errors import SeatsTaken
from onsale.inventory.mirror import Delta, Hear, Mirror, differing, second_at, tag_of
from onsale.inventory.model import Ask, SeatState
from onsale.inventory.told import Change, Outbox
from onsale.inventory.watch import Watch
from onsale.kit import clock, db, tasks, telemetry
from onsale.kit.ids import ShardId
from onsale.kit.lru import Lru

shortcuts = telemetry.counter(
    "onsale_holds_shortcut_total",
    "What the map said to those who want seats: surely taken, ask PostgreSQL, or nothing that could be trusted.",
    ["answer"],
)


@dataclass(frozen=True)
class Picture:
    """`states` is one ASCII digit a seat. Two pictures of one epoch and version are the same, in every process."""

    version: int
    states: bytes
    epoch: bytes
    taken_at_s: float

    @cached_property
    def packed(self) -> bytes:
        """The wire form of the plan: version, count, two bits a seat."""
        return pack_states(self.version, self.states)

    def count(self, state: int) -> int:
        return self.states.count(b"0123"[state])


def pack_states(version: int, states: bytes) -> bytes:
    """8 bytes version and 4 bytes count, big-endian, then 2 bits a seat, seat 0 in the lowest bits of the first byte.

    Done on whole integers: four strided slices, shifted into place and joined, cost microseconds for 100,000 seats.
    """
    values = states.translate(_VALUES) + bytes(-len(states) % 4)
    lanes = (int.from_bytes(values[lane::4], "little") << (2 * lane) for lane in range(4))
    joined = 0
    for lane in lanes:
        joined |= lane
    return pack(">QI", version, len(states)) + joined.to_bytes(len(values) // 4, "little")


_VALUES = bytes((byte - ord("0")) & 3 for byte in range(256))


@dataclass(slots=True)
class _Heard:
    """Who listens to a shard, and whether they are told what PostgreSQL's pictures show instead of the map's steps."""

    hears: list[Hear] = field(default_factory=list)
    polled: bool = False
    out_of_step_at_s: float | None = None
    polled_at_s: float = 0.0

    def say(self, delta: Delta | None) -> None:
        for hear in tuple(self.hears):
            hear(delta)


class SeatMap:
    """Pictures and steps by shard; many askers share one look at the database. `run` keeps it in touch with Redis."""

    def __init__(self, database: db.Database, cache: MapCache | None = None) -> None:
        self._database = database
        self._watch = Watch(database, cache, self._step)
        self._heard: dict[ShardId, _Heard] = {}
        self._shown: Lru[ShardId, Picture] = Lru(limits.SHARDS_IN_MIND_MAX)
        # Pictures from PostgreSQL: nobody else can go on from their versions, so their epoch is this process' own.
        self._epoch = new_epoch()
        self._pictures: Lru[ShardId, Picture] = Lru(limits.SHARDS_IN_MIND_MAX)
        self._refreshing: dict[ShardId, asyncio.Task[Picture]] = {}
        self._answers = {"taken": 0, "asked": 0, "blind": 0}
        self._outbox = Outbox(cache)

    async def run(self) -> None:
        """What a process does for its maps, until it is cancelled. Without it everything comes from PostgreSQL."""
        parts = [
            tasks.spawn(self._outbox.run(), name="tell the maps"),
            tasks.spawn(self._watch.run(), name="watch the maps"),
            tasks.spawn(self._attend(), name="attend to who looks at maps"),
        ]
        try:
            await asyncio.gather(*parts)
        finally:
            await tasks.cancel(*parts)
            self._count()

    def tell(self, shard_id: ShardId, changes: Sequence[Change]) -> None:
        """Say what this process has committed. Never blocks and never raises."""
        self._outbox.put(shard_id, changes)
        if mirror := self._watch.known(shard_id):
            for seat_no, change_no, word, _ in changes:
                if word == SeatState.FREE:
                    mirror.free(seat_no, change_no)

    def taken(self, shard_id: ShardId, ask: Ask) -> SeatsTaken | None:
        """The refusal of an ask for seats that are surely taken; None where PostgreSQL has to decide.

        Rules of the sale are not looked at: whoever wants taken seats hears that first.
        """
        mirror = self._watch.mirror(shard_id)
        if not (mirror.in_step and self._watch.trusted(clock.monotonic())):
            self._answers["blind"] += 1
            return None
        later_than = second_at(clock.unix_s()) + math.ceil(limits.SHORTCUT_MARGIN_S)
        found = mirror.taken(ask.seats, tag_of(ask.person), later_than)
        self._answers["taken" if found else "asked"] += 1
        return SeatsTaken(taken=list(found)) if found else None

    async def picture(self, shard_id: ShardId, *, fresh: bool = False) -> Picture:
        """A picture at most `AVAILABILITY_AGE_MAX_S` old; `fresh` asks for one taken after this call."""
        mirror = await self._good_mirror(shard_id)
        if mirror is not None:
            return self._copy(shard_id, mirror, fresh)
        since_s = clock.monotonic() - (0 if fresh else limits.AVAILABILITY_AGE_MAX_S)
        known = self._pictures.get(shard_id)
        while known is None or known.taken_at_s < since_s:  # A refresh under way may be too old; the next one is not.
            known = await asyncio.shield(self._refreshing.get(shard_id) or self._begin(shard_id))
        if known.states:
            self._watch.mirror(shard_id)
        return known

    def since(self, shard_id: ShardId, epoch: bytes, version: int) -> list[Delta] | None:
        """The steps from a version to now; None when they are not known here: take a fresh picture."""
        heard = self._heard.get(shard_id)
        if epoch == self._epoch:
            known = self._pictures.get(shard_id)
            return [] if heard and heard.polled and known and known.version == version else None
        mirror = self._watch.known(shard_id)
        return mirror.since(epoch, version) if mirror and not (heard and heard.polled) else None

    def listen(self, shard_id: ShardId, hear: Hear) -> Callable[[], None]:
        """Hear each step from now on, in order; None: take a fresh picture, the next steps go on from another epoch.

        Returns what ends it. `hear` must be quick and must not raise.
        """
        heard = self._heard.setdefault(shard_id, _Heard())
        heard.hears.append(hear)
        self._watch.mirror(shard_id)

        def stop() -> None:
            if hear in heard.hears:
                heard.hears.remove(hear)
            if not heard.hears and self._heard.get(shard_id) is heard:
                del self._heard[shard_id]

        return stop

    async def _good_mirror(self, shard_id: ShardId) -> Mirror | None:
        """The mirror, if it may be shown. Who listens is switched to PostgreSQL's pictures before any is given out."""
        heard = self._heard.get(shard_id)
        if self._watch.known(shard_id) is None or (heard and heard.polled):
            return None
        mirror = self._watch.mirror(shard_id)
        if not mirror.in_step:
            await self._watch.settled(shard_id)
            heard = self._heard.get(shard_id)
        if self._shows(shard_id, mirror):
            return None if heard and heard.polled else mirror
        if heard and not heard.polled:
            self._switch(heard, polled=True)
        return None

    def _shows(self, shard_id: ShardId, mirror: Mirror) -> bool:
        """Whether it is good for looking: in step, and not behind a picture from PostgreSQL that was given out."""
        known = self._pictures.get(shard_id)
        ahead = known is None or mirror.version >= known.version
        return ahead and mirror.in_step and self._watch.showable(clock.monotonic())

    def _copy(self, shard_id: ShardId, mirror: Mirror, fresh: bool) -> Picture:
        now_s = clock.monotonic()
        known = self._shown.get(shard_id)
        if known is not None and known.epoch == mirror.epoch:
            recent = not fresh and now_s - known.taken_at_s < limits.AVAILABILITY_FROM_MAP_EVERY_S
            if recent or known.version == mirror.version:
                return known
        picture = Picture(mirror.version, bytes(mirror.states), mirror.epoch, now_s)
        self._shown.put(shard_id, picture)
        return picture

    def _step(self, shard_id: ShardId, delta: Delta | None) -> None:
        heard = self._heard.get(shard_id)
        if heard is not None and not heard.polled:
            heard.say(delta)

    def _switch(self, heard: _Heard, *, polled: bool) -> None:
        heard.polled = polled
        heard.out_of_step_at_s = None
        heard.say(None)

    async def _attend(self) -> None:
        """Several times a second: where do those who listen hear from, and how often did the shortcut answer?"""
        while True:
            self._count()
            for shard_id, heard in list(self._heard.items()):
                self._attend_to(shard_id, heard, clock.monotonic())
            await clock.sleep(limits.MAP_PING_EVERY_S)

    def _attend_to(self, shard_id: ShardId, heard: _Heard, now_s: float) -> None:
        good = self._shows(shard_id, self._watch.mirror(shard_id))
        if heard.polled and good:
            self._switch(heard, polled=False)
        elif heard.polled:
            if now_s - heard.polled_at_s >= limits.AVAILABILITY_AGE_MAX_S and shard_id not in self._refreshing:
                heard.polled_at_s = now_s
                self._begin(shard_id)
        elif good:
            heard.out_of_step_at_s = None
        elif heard.out_of_step_at_s is None:
            heard.out_of_step_at_s = now_s
        elif now_s - heard.out_of_step_at_s >= limits.MAP_SHOWN_AGAIN_S:
            self._switch(heard, polled=True)

    def _count(self) -> None:
        for answer, count in self._answers.items():
            if count:
                shortcuts.labels(answer).inc(count)
                self._answers[answer] = 0

    def _begin(self, shard_id: ShardId) -> asyncio.Task[Picture]:
        task = tasks.spawn(self._refresh(shard_id), name=f"seat map {shard_id}")
        self._refreshing[shard_id] = task
        return task

    async def _refresh(self, shard_id: ShardId) -> Picture:
        asked_at_s = clock.monotonic()
        try:
            async with self._database.reading(shard_id) as tx:
                version, states = await store.picture(tx, shard_id)
        finally:
            # Before the task counts as done: whoever found a task that is done here would wait for it for ever,
            # without giving way to anybody.
            del self._refreshing[shard_id]
        picture = Picture(version, states, self._epoch, asked_at_s)
        before = self._pictures.get(shard_id)
        self._pictures.put(shard_id, picture)
        heard = self._heard.get(shard_id)
        if heard is not None and heard.polled and before is not None:
            self._say_difference(heard, before, picture)
        return picture

    def _say_difference(self, heard: _Heard, before: Picture, now: Picture) -> None:
        if now.version > before.version and len(now.states) == len(before.states):
            heard.say(Delta(before.version, now.version, differing(before.states, now.states)))
        elif now.version != before.version:
            heard.say(None)
