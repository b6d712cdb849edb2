"""What is said on a live map, and to whom it may be said. Pure.

States are absolute: a message holds every seat that changed between two versions as it is at the later one. So whoever
has any version between them may have the message, and what is said twice does no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from onsale.kit.problems import Invalid
from onsale.live.ports import Delta


class Mark(NamedTuple):
    """Where a viewer stands. Versions can be compared within one epoch only."""

    version: int
    epoch: bytes

    def __str__(self) -> str:
        """The text of availability's ETag, without its quotes."""
        return f"{self.version}-{self.epoch.hex()}"


def parse_mark(text: str) -> Mark:
    """A Mark from its text, with or without the quotes of an ETag. Raises Invalid."""
    version, _, epoch = text.strip('"').partition("-")
    try:
        if version.isascii() and version.isdigit() and len(version) <= VERSION_DIGITS_MAX:
            return Mark(int(version), bytes.fromhex(epoch))
    except ValueError:
        pass
    raise Invalid("Send `since=` with the ETag of this event's availability")


# A version is eight bytes.
VERSION_DIGITS_MAX = 20


@dataclass(frozen=True, slots=True)
class Message:
    """A text for everybody at `before` or later, who then is at `mark`. After the `last` one the stream ends."""

    before: int
    mark: Mark
    text: str
    last: bool = False

    def suits(self, version: int) -> bool:
        """Whether it tells who has `version`, of the same epoch, all that happened up to its own, and nothing older."""
        return self.before <= version <= self.mark.version


def step(before: int, mark: Mark, seats: dict[int, int]) -> Message:
    """The news from one version to another; without seats it only says that we are still there."""
    body = {"v": mark.version, "etag": str(mark), "seats": list(seats.items())}
    return Message(before, mark, msgspec.json.encode(body).decode())


def resync(mark: Mark) -> Message:
    """The word that no step leads here: `mark` is where a new picture should at least be."""
    body = {"resync": True, "v": mark.version, "etag": str(mark)}
    return Message(0, mark, msgspec.json.encode(body).decode(), last=True)


def merged(deltas: Iterable[Delta], version: int) -> tuple[int, dict[int, int]] | None:
    """All steps from `version` on as one: the version reached, and the latest state of each seat that changed.

    None when they do not follow on each other, so that a gap is never passed on as news.
    """
    seats: dict[int, int] = {}
    for delta in deltas:
        if delta.before > version:
            return None
        if delta.version > version:
            seats.update(delta.seats)
            version = delta.version
    return version, seats
