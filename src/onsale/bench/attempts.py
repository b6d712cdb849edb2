"""Attempts to hold seats, as they go over the wire: who asks for which seats, and what the answer means."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from onsale.drop import fan_address
from onsale.kit import chance

GROUP_MAX = 4
# Seats that somebody has before a mixed run begins, from the first on.
TAKEN_SEATS = 10_000

HELD, TAKEN, SHED = "held", "taken", "shed"


class Mix(StrEnum):
    """Which seats are wanted: free ones, taken ones, or each of them in half of the attempts."""

    FREE = "free"
    HALF = "half"
    TAKEN = "taken"


class Attempts:
    """Attempts on some events, each by a person of its own, 1 to 4 neighbouring seats each. The same seed, the same.

    Free seats are each asked for once, so whoever asks for them must get them; when they are used up, `ended` is set
    and taken ones are asked for instead. Taken seats are among the first `taken` of each event.
    """

    def __init__(
        self, events: Sequence[int], seats: int, taken: int, mix: Mix, tokens: Sequence[str], seed: int
    ) -> None:
        self._events = events
        self._taken = taken
        self._tokens = tokens
        self._draw = chance.seeded(seed)
        self._taken_share = {Mix.FREE: 0.0, Mix.HALF: 0.5, Mix.TAKEN: 1.0}[mix]
        self._free = self._groups(seats)
        self.ended = False

    def _groups(self, seats: int) -> Iterator[tuple[int, range]]:
        """Groups of free seats, of one event after the other in turn."""
        nexts = dict.fromkeys(self._events, self._taken)
        while nexts:
            for event in list(nexts):
                first = nexts[event]
                end = first + self._draw.randint(1, GROUP_MAX)
                nexts[event] = end
                if end > seats:
                    del nexts[event]
                else:
                    yield event, range(first, end)

    def request(self, number: int) -> bytes:
        """The whole request of that number."""
        wish = None
        if self._draw.random() >= self._taken_share:
            wish = next(self._free, None)
            self.ended = wish is None
        if wish is None:
            first = self._draw.randrange(self._taken - GROUP_MAX)
            wish = self._draw.choice(self._events), range(first, first + self._draw.randint(1, GROUP_MAX))
        return hold_request(*wish, self._tokens[number], number)


def hold_request(event: int, seats: Sequence[int], token: str, number: int) -> bytes:
    """POST the wish, as the fan of that number and address."""
    body = msgspec.json.encode({"seats": list(seats)})
    return (
        f"POST /api/v1/events/{event}/holds HTTP/1.1\r\nHost: onsale\r\nAuthorization: Bearer {token}\r\n"
        f"X-Forwarded-For: {fan_address(number)}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def judge(number: int, status: int, body: bytes) -> str:
    """What became of an attempt."""
    if status == 201:
        return HELD
    if status == 409 and b'"seats_taken"' in body:
        return TAKEN
    return SHED if status == 503 else f"http {status}"
