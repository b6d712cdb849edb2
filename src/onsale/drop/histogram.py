"""Latencies in little room: counts in buckets that widen with the value, so that the error is a share, not a length.

The layout is that of HdrHistogram (Gil Tene, 2012): within each power of two the same number of buckets. Ranks are
exact. Durations are rounded to whole microseconds; read back, one is never below that, and above by at most 1/256
(0.4 %).
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from onsale.drop.drop_limits import LATENCY_MAX_S

# Buckets within each power of two: they alone decide the error (1/256) and the size (some hundred for a real curve).
_BUCKET_BITS = 8
_BUCKETS = 1 << _BUCKET_BITS

_VALUE_MAX_US = LATENCY_MAX_S * 1_000_000

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class Summary(msgspec.Struct, frozen=True):
    """A histogram as a report carries it, in seconds. `buckets` lets reports be added up without losing precision."""

    count: int
    mean_s: float
    min_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    p999_s: float
    max_s: float
    buckets: dict[int, int]


class Histogram:
    """Durations, counted. Minimum, maximum, mean and count are exact."""

    __slots__ = ("_buckets", "_max_us", "_min_us", "_total_us", "count")

    def __init__(self) -> None:
        self.count = 0
        self._buckets: dict[int, int] = {}
        self._min_us = _VALUE_MAX_US
        self._max_us = 0
        self._total_us = 0

    def record(self, seconds: float) -> None:
        """Count one duration. Below 0 (a clock read twice out of order) counts as 0, beyond LATENCY_MAX_S as that."""
        value_us = min(max(0, round(seconds * 1_000_000)), _VALUE_MAX_US)
        bucket = _bucket_of(value_us)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self._total_us += value_us
        self._min_us = min(self._min_us, value_us)
        self._max_us = max(self._max_us, value_us)

    def add(self, other: "Histogram") -> None:
        """Count everything the other has counted."""
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.count += other.count
        self._total_us += other._total_us
        self._min_us = min(self._min_us, other._min_us)
        self._max_us = max(self._max_us, other._max_us)

    def percentile(self, percent: float) -> float:
        """Seconds within which that share of the durations lies (nearest rank); 0 when nothing was counted."""
        return self.percentiles((percent,))[percent]

    def percentiles(self, percents: Iterable[float]) -> dict[float, float]:
        """Several percentiles in one walk. Percents are 0 to 100; the answer is in seconds."""
        wanted = sorted(percents)
        found: dict[float, float] = {}
        passed = 0
        buckets = iter(sorted(self._buckets.items()))
        highest_us = 0
        for percent in wanted:
            assert 0 <= percent <= 100
            rank = max(1, math.ceil(self.count * percent / 100))
            while passed < rank and (entry := next(buckets, None)) is not None:
                passed += entry[1]
                highest_us = _highest_of(entry[0])
            found[percent] = min(max(highest_us, self._min_us), self._max_us) / 1_000_000 if self.count else 0.0
        return found

    def summary(self) -> Summary:
        values = self.percentiles(PERCENTILES)
        return Summary(
            count=self.count,
            mean_s=self._total_us / self.count / 1_000_000 if self.count else 0.0,
            min_s=self._min_us / 1_000_000 if self.count else 0.0,
            p50_s=values[50.0],
            p90_s=values[90.0],
            p95_s=values[95.0],
            p99_s=values[99.0],
            p999_s=values[99.9],
            max_s=self._max_us / 1_000_000,
            buckets=dict(sorted(self._buckets.items())),
        )

    @classmethod
    def of(cls, summary: Summary) -> "Histogram":
        """The histogram a summary was made of."""
        made = cls()
        made.count = summary.count
        made._buckets = dict(summary.buckets)
        made._total_us = round(summary.mean_s * summary.count * 1_000_000)
        made._max_us = round(summary.max_s * 1_000_000)
        if summary.count:
            made._min_us = round(summary.min_s * 1_000_000)
        return made


def together(histograms: Iterable[Histogram]) -> Histogram:
    """All of them in one."""
    made = Histogram()
    for histogram in histograms:
        made.add(histogram)
    return made


def summaries(histograms: Mapping[str, Histogram]) -> dict[str, Summary]:
    """Name -> summary, in the order of the names."""
    return {name: histograms[name].summary() for name in sorted(histograms)}


def _bucket_of(value_us: int) -> int:
    """Values below 512 us have a bucket each; above, a bucket is 1/256 of its power of two wide."""
    shift = max(0, value_us.bit_length() - _BUCKET_BITS - 1)
    return shift * _BUCKETS + (value_us >> shift)


def _highest_of(bucket: int) -> int:
    """The greatest value that falls into the bucket."""
    shift = max(0, bucket // _BUCKETS - 1)
    return ((bucket - shift * _BUCKETS + 1) << shift) - 1
