"""A shard's seats that step when a test says so: the port of the live map, and what a client makes of its messages."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from onsale.kit.problems import Unavailable


@dataclass(frozen=True, slots=True)
class Step:
    before: int
    version: int
    seats: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Photo:
    version: int
    epoch: bytes
    states: bytes


@dataclass
class Seats:
    """`history` is what can be resumed from; a test may cut it. `missed` steps are told to nobody."""

    states: list[int] = field(default_factory=lambda: [0] * 20)
    version: int = 100
    epoch: bytes = b"\x01\x02"
    history: list[Step] = field(default_factory=list)
    hearers: list[Callable[[Step | None], None]] = field(default_factory=list)
    pictures: int = 0
    away: bool = False
    taking: Callable[[], None] = lambda: None

    async def picture(self, shard_id, *, fresh=False):
        self.pictures += 1
        if self.away:
            raise Unavailable
        photo = self.photo()
        self.taking()
        return photo

    def photo(self) -> Photo:
        return Photo(self.version, self.epoch, "".join(map(str, self.states)).encode())

    def since(self, shard_id, epoch, version):
        if epoch != self.epoch:
            return None
        if version == self.version:
            return []
        steps = [step for step in self.history if step.version > version]
        return steps if steps and steps[0].before <= version else None

    def listen(self, shard_id, hear):
        self.hearers.append(hear)
        return lambda: self.hearers.remove(hear)

    def change(self, *seats: tuple[int, int], by: int | None = None, told: bool = True) -> None:
        step = Step(self.version, self.version + (by or len(seats)), seats)
        self.version = step.version
        for seat_no, state in seats:
            self.states[seat_no] = state
        self.history.append(step)
        if told:
            self.tell(step)

    def tell(self, step: Step | None) -> None:
        for hear in self.hearers:
            hear(step)

    def restart(self) -> None:
        """Another epoch, and nothing in mind of the one before."""
        self.epoch = bytes(byte + 1 for byte in self.epoch)
        self.history.clear()
        self.tell(None)


class Client:
    """What a page does: a picture, and each message laid over it."""

    def __init__(self, photo: Photo) -> None:
        self.states = [state - ord("0") for state in photo.states]
        self.etag = f"{photo.version}-{photo.epoch.hex()}"
        self.resynced = False

    @property
    def version(self) -> int:
        return int(self.etag.partition("-")[0])

    def take(self, text: str) -> None:
        message = json.loads(text)
        if message.get("resync"):
            self.resynced = True
            return
        assert message["v"] >= self.version, "no message leads back"
        for seat_no, state in message["seats"]:
            self.states[seat_no] = state
        self.etag = message["etag"]
        assert message["v"] == self.version

    def sees(self, seats: Seats) -> bool:
        return (self.states, self.version) == (seats.states, seats.version)
