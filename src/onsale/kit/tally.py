"""Counting what every request is counted by: in memory, and a few times a second in the metrics.

A metric of several processes is a file that all of them map. Counting one answer there, in a counter and a histogram,
costs 5 us, a tenth of what refusing taken seats costs altogether; here it is one.
"""

import asyncio
from bisect import bisect_left

from onsale import limits
from onsale.kit import telemetry


class _Route:
    """What one route answered since it was last written down."""

    __slots__ = ("buckets", "latency_s", "statuses")

    def __init__(self) -> None:
        # Prometheus counts a value in the first bucket whose bound it does not exceed; the last has none.
        self.buckets = [0] * (len(telemetry.LATENCY_BUCKETS_S) + 1)
        self.latency_s = 0.0
        self.statuses: dict[int, int] = {}


class Tally:
    """Answers by route and status, and their latencies by route. `latency` has LATENCY_BUCKETS_S."""

    def __init__(self, answers: telemetry.Counter, latency: telemetry.Histogram) -> None:
        self._answers = answers
        self._latency = latency
        self._routes: dict[str, _Route] = {}
        self._due: asyncio.TimerHandle | None = None

    def count(self, route: str, status: int, took_s: float) -> None:
        """Count an answer; it is in the metrics TALLY_EVERY_S later at the latest."""
        known = self._routes.get(route)
        if known is None:
            known = self._routes[route] = _Route()
        known.buckets[bisect_left(telemetry.LATENCY_BUCKETS_S, took_s)] += 1
        known.latency_s += took_s
        known.statuses[status] = known.statuses.get(status, 0) + 1
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(limits.TALLY_EVERY_S, self.write_down)

    def write_down(self) -> None:
        """Put what was counted so far into the metrics."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        counted, self._routes = self._routes, {}
        for name, route in counted.items():
            for status, count in route.statuses.items():
                self._answers.labels(name, status).inc(count)
            telemetry.observe_many(self._latency.labels(name), route.buckets, route.latency_s)
