"""When pieces of work are due: a rate along straight lines, by chance or evenly, the same for the same seed."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from onsale.kit import chance


@dataclass(frozen=True, slots=True)
class Schedule:
    """When pieces of work are due: a rate that changes along straight lines between points.

    points: (seconds since the start, arrivals a second), times ascending from 0.
    poisson: independent people (gaps vary, drawn from `seed`); False spaces the arrivals evenly.
    count: exactly that many arrivals, as if a Poisson process had happened to give that many; None lets chance say.
    """

    points: tuple[tuple[float, float], ...]
    seed: int
    poisson: bool = True
    count: int | None = None

    def __post_init__(self) -> None:
        times = [time for time, _ in self.points]
        if len(times) < 2 or times[0] != 0 or times != sorted(times):
            raise ValueError("a schedule needs at least two points, at ascending times from 0")
        if any(rate < 0 for _, rate in self.points) or self.expected <= 0:
            raise ValueError("rates cannot be negative, and not all of them 0")

    @classmethod
    def at_rate(cls, per_s: float, duration_s: float, seed: int, *, poisson: bool = True) -> "Schedule":
        """The same rate throughout."""
        return cls(((0.0, per_s), (duration_s, per_s)), seed, poisson)

    @classmethod
    def on_sale(cls, peak_per_s: float, rise_s: float, fall_s: float, seed: int) -> "Schedule":
        """A sale that opens: from nothing to the peak in `rise_s`, then down to a tenth of it in `fall_s`."""
        return cls(((0.0, 0.0), (rise_s, peak_per_s), (rise_s + fall_s, peak_per_s / 10)), seed)

    @classmethod
    def crowd(cls, count: int, over_s: float, seed: int) -> "Schedule":
        """Exactly `count` people, each coming at any moment of `over_s` seconds."""
        return cls(((0.0, count / over_s), (over_s, count / over_s)), seed, count=count)

    @property
    def duration_s(self) -> float:
        return self.points[-1][0]

    @property
    def expected(self) -> float:
        """Arrivals on average, if chance says how many: the area under the rate."""
        return sum((end - start) * (a + b) / 2 for (start, a), (end, b) in itertools.pairwise(self.points))

    def arrivals(self) -> Iterator[float]:
        """Seconds since the start at which each piece is due, ascending; the same for the same seed.

        A Poisson process of changing rate is an even one whose clock is stretched (Cinlar, 1975): a piece is due when
        the area under the rate has grown to its place on the even clock.
        """
        areas = self._areas()
        wanted = next(areas, None)
        passed = 0.0
        for (start, rate), (end, end_rate) in itertools.pairwise(self.points):
            area = (end - start) * (rate + end_rate) / 2
            slope = (end_rate - rate) / (end - start) if end > start else 0.0
            while wanted is not None and wanted <= passed + area:
                yield min(end, start + _time_to_area(wanted - passed, rate, slope))
                wanted = next(areas, None)
            passed += area
        while wanted is not None:  # Rounding may leave the last one a hair beyond the end.
            yield self.duration_s
            wanted = next(areas, None)

    def _areas(self) -> Iterator[float]:
        """Places on the even clock, ascending, from 0 to `expected`."""
        draw, total, passed = chance.seeded(self.seed), self.expected, 0.0
        if self.count is None:
            while (passed := passed + (draw.expovariate(1.0) if self.poisson else 1.0)) <= total:
                yield passed
            return
        for left in range(self.count, 0, -1):
            # The smallest of `left` uniform draws from what is left: sorted draws, without keeping them all.
            share = 1.0 - draw.random() ** (1.0 / left) if self.poisson else 1.0 / left
            passed += (total - passed) * share
            yield passed


def _time_to_area(area: float, rate: float, slope: float) -> float:
    """x with rate*x + slope*x*x/2 == area, in the form that does not cancel when the slope is near 0."""
    root = math.sqrt(max(0.0, rate * rate + 2 * slope * area))
    return 2 * area / (rate + root) if area > 0 else 0.0
