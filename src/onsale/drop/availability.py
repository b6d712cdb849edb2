"""The availability answer as a browser reads it: 8 bytes version, 4 bytes seats, then 2 bits a seat.

design.md section 12. Seat 0 stands in the lowest two bits of the first byte. 0 free, 1 held, 2 sold, 3 not for sale.
"""

import re
from dataclasses import dataclass

_HEAD_BYTES = 12
# Bytes in which at least one of the four seats is free: lets the regular expression engine do the looking.
_SOME_FREE = re.compile(
    b"["
    + b"".join(re.escape(bytes([byte])) for byte in range(256) if any(byte >> shift & 3 == 0 for shift in (0, 2, 4, 6)))
    + b"]"
)


@dataclass(frozen=True, slots=True)
class Availability:
    """Who has which seat, at one version."""

    version: int
    seats: int
    bits: bytes

    @classmethod
    def parse(cls, body: bytes) -> "Availability":
        """Raises ValueError for a body whose length is not what its seat count says."""
        seats = int.from_bytes(body[8:_HEAD_BYTES], "big")
        if len(body) < _HEAD_BYTES or len(body) != _HEAD_BYTES + (seats + 3) // 4:
            raise ValueError(f"{len(body)} bytes cannot be the availability of {seats} seats")
        return cls(int.from_bytes(body[:8], "big"), seats, body[_HEAD_BYTES:])

    def status(self, seat_no: int) -> int:
        return self.bits[seat_no >> 2] >> (seat_no & 3) * 2 & 3

    def counts(self) -> tuple[int, int, int, int]:
        """Seats free, held, sold, not for sale."""
        seats = int.from_bytes(self.bits, "little") & ((1 << 2 * self.seats) - 1)
        lower = int.from_bytes(b"\x55" * len(self.bits), "little")
        low, high = seats & lower, seats >> 1 & lower
        neither = (low & high).bit_count()
        held, sold = low.bit_count() - neither, high.bit_count() - neither
        return self.seats - held - sold - neither, held, sold, neither

    def free_from(self, seat_no: int, quantity: int) -> list[int]:
        """The next free seats from that one on, past the end from the beginning again; fewer when there are fewer."""
        found = self._free_between(seat_no, self.seats, quantity)
        return found + self._free_between(0, seat_no, quantity - len(found))

    def _free_between(self, first: int, end: int, quantity: int) -> list[int]:
        found: list[int] = []
        for match in _SOME_FREE.finditer(self.bits, first >> 2):
            if len(found) >= quantity or match.start() * 4 >= end:
                break
            seat_nos = range(max(first, match.start() * 4), min(end, match.start() * 4 + 4))
            found += [seat_no for seat_no in seat_nos if self.status(seat_no) == 0]
        return found[:quantity]
