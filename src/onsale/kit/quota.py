"""Rates that hold under concurrency and over all processes: GCRA in one Lua step in Redis.

What is asked at the same time travels together. While Redis is away each process counts by itself (so the bound is per
process then), which is counted in `onsale_quota_fallbacks_total`: a visible decision to stay open.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from struct import Struct

from onsale import limits
from onsale.kit import clock, tasks, telemetry
from onsale.kit.coalesce import Coalescer
from onsale.kit.redis import FAULTS, Client

quota_fallbacks = telemetry.counter(
    "onsale_quota_fallbacks_total", "Rate decisions made by one process alone because Redis was away.", ["rule"]
)

# All quotas lie on one server of a cluster, so that one script may look at several.
_PREFIX = "{quota}:"
# Emission interval and tolerance in microseconds, cost, and how many charges of its ask follow. Doubles: Lua's numbers.
_CHARGE = Struct("<4d")


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `count` per `per_s` seconds and key, all of them at once if they like."""

    name: str
    count: int
    per_s: float

    @property
    def interval_us(self) -> int:
        return round(self.per_s * 1_000_000 / self.count)

    @property
    def tolerance_us(self) -> int:
        return self.interval_us * self.count


@dataclass(frozen=True, slots=True)
class Charge:
    """`cost` of a rule's quota for a key."""

    rule: Rule
    key: str
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may pass; how many more may pass now; seconds until one may, and until all may."""

    rule: Rule
    allowed: bool
    remaining: int
    retry_after_s: float
    reset_s: float


Verdicts = Sequence[Verdict]


class Quota:
    """Takes from quotas. Exact while Redis answers; per process while it does not."""

    def __init__(self, client: Client) -> None:
        source = resources.files(__package__).joinpath("lua/quota.lua").read_text()
        self._script = client.register_script(source)
        self._local: dict[str, float] = {}
        self._away_until_s = float("-inf")
        self._asks: Coalescer[Sequence[Charge], Verdicts] = Coalescer(
            self._take_all,
            name="quota",
            batch_max=limits.QUOTA_BATCH_MAX,
            queue_max=limits.HOT_REQUESTS_UNDER_WAY_MAX,
            pace_s=limits.QUOTA_PACE_S,
            busy_from=limits.QUOTA_BUSY_ASKS_MIN,
        )

    async def take(self, *charges: Charge) -> Verdicts:
        """Take every charge, or nothing when one is too much: a verdict for each. Raises Overloaded in a crowd."""
        return await self._asks.ask(charges)

    async def _take_all(self, asks: Sequence[Sequence[Charge]]) -> list[Verdicts]:
        """One step in Redis for all of them, in order. For a while after a fault nobody waits for Redis."""
        if clock.monotonic() >= self._away_until_s:
            try:
                return await self._take_there(asks)
            except FAULTS:
                self._away_until_s = clock.monotonic() + limits.QUOTA_AWAY_S
        return [self._take_here(charges) for charges in asks]

    async def _take_there(self, asks: Sequence[Sequence[Charge]]) -> list[Verdicts]:
        keys = [f"{_PREFIX}{charge.rule.name}:{charge.key}" for charges in asks for charge in charges]
        packed = b"".join(
            _CHARGE.pack(charge.rule.interval_us, charge.rule.tolerance_us, charge.cost, len(charges) - place - 1)
            for charges in asks
            for place, charge in enumerate(charges)
        )
        found = iter(await self._script(keys=keys, args=[packed]))
        return [[_verdict(charge.rule, *next(found)) for charge in charges] for charges in asks]

    def _take_here(self, charges: Sequence[Charge]) -> Verdicts:
        """The same arithmetic as quota.lua, on this process' own clock and numbers."""
        now_us = clock.monotonic() * 1e6
        found = []
        for charge in charges:
            quota_fallbacks.labels(charge.rule.name).inc()
            key = f"{charge.rule.name}:{charge.key}"
            arrival = max(self._local.get(key, 0.0), now_us)
            following = arrival + charge.rule.interval_us * charge.cost
            found.append((charge.rule, key, arrival, following, following - now_us - charge.rule.tolerance_us))
        allowed = all(early <= 0 for *_, early in found)
        if allowed:
            for _, key, _, following, _ in found:
                self._keep(key, following)
        return [
            _verdict(rule, early <= 0, max(0.0, early), (following if allowed else arrival) - now_us)
            for rule, _, arrival, following, early in found
        ]

    def _keep(self, key: str, following: float) -> None:
        """Put it at the end, so that the oldest, which go when there are too many, were quiet longest."""
        if len(self._local) >= limits.LOCAL_QUOTA_KEYS_MAX and key not in self._local:
            for old in list(self._local)[: limits.LOCAL_QUOTA_KEYS_MAX // 2]:
                del self._local[old]
        self._local.pop(key, None)
        self._local[key] = following


def _verdict(rule: Rule, allowed: float, wait_us: float, idle_us: float) -> Verdict:
    remaining = max(0, math.floor((rule.tolerance_us - idle_us) / rule.interval_us))
    return Verdict(rule, bool(allowed), remaining, wait_us / 1e6, idle_us / 1e6)


class Lease:
    """A rate of all processes together, taken from Redis in blocks: most requests ask nobody.

    What is left of a block lapses after QUOTA_LEASE_S, so that a quiet process does not keep what others need.
    """

    def __init__(self, quota: Quota, rule: Rule, block: int) -> None:
        assert 0 < block <= rule.count
        self._quota = quota
        self._charge = Charge(rule, "all", block)
        self._left = 0
        self._until_s = float("-inf")
        self._refusal: Verdict | None = None
        self._asking: asyncio.Task[None] | None = None

    async def take(self) -> Verdict | None:
        """One of them: None, or the verdict that refused the next block."""
        while clock.monotonic() >= self._until_s or (self._left == 0 and self._refusal is None):
            if self._asking is None:
                self._asking = tasks.spawn(self._ask(), name="lease a block of a quota")
            await asyncio.shield(self._asking)
        if self._refusal is None:
            self._left -= 1
        return self._refusal

    async def _ask(self) -> None:
        """Have a block for a while, or a refusal for as long as there is none."""
        try:
            [verdict] = await self._quota.take(self._charge)
            self._left = self._charge.cost if verdict.allowed else 0
            self._refusal = None if verdict.allowed else verdict
            kept_s = limits.QUOTA_LEASE_S if verdict.allowed else verdict.retry_after_s
            self._until_s = clock.monotonic() + kept_s
        finally:
            self._asking = None
