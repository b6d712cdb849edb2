"""Rates that hold under concurrency and over all processes: GCRA in one Lua step in Redis.

While Redis is away each process counts by itself (so the bound is per process then), which is counted in
`onsale_quota_fallbacks_total`: a visible decision to stay open.
"""

import math
from dataclasses import dataclass
from importlib import resources

from onsale import limits
from onsale.kit import clock, telemetry
from onsale.kit.redis import FAULTS, Client

quota_fallbacks = telemetry.counter(
    "onsale_quota_fallbacks_total", "Rate decisions made by one process alone because Redis was away.", ["rule"]
)


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
class Verdict:
    """Whether it may pass; how many more may pass now; seconds until one may, and until all may."""

    allowed: bool
    remaining: int
    retry_after_s: float
    reset_s: float


class Quota:
    """Takes from quotas. Exact while Redis answers; per process while it does not."""

    def __init__(self, client: Client) -> None:
        source = resources.files(__package__).joinpath("lua/quota.lua").read_text()
        self._script = client.register_script(source)
        self._local: dict[str, float] = {}

    async def take(self, rule: Rule, key: str, cost: int = 1) -> Verdict:
        """Take `cost` from the key's quota, or nothing when that is too much. Never raises."""
        try:
            allowed, wait_us, idle_us = await self._script(
                keys=[f"quota:{rule.name}:{key}"], args=[rule.interval_us, rule.tolerance_us, cost]
            )
        except FAULTS:
            quota_fallbacks.labels(rule.name).inc()
            allowed, wait_us, idle_us = self._take_here(rule, f"{rule.name}:{key}", cost)
        remaining = max(0, math.floor((rule.tolerance_us - idle_us) / rule.interval_us))
        return Verdict(bool(allowed), remaining, wait_us / 1e6, idle_us / 1e6)

    def _take_here(self, rule: Rule, key: str, cost: int) -> tuple[bool, float, float]:
        """The same arithmetic as quota.lua, on this process' own clock and numbers."""
        now_us = clock.monotonic() * 1e6
        if len(self._local) >= limits.LOCAL_QUOTA_KEYS_MAX and key not in self._local:
            for old in list(self._local)[: limits.LOCAL_QUOTA_KEYS_MAX // 2]:
                del self._local[old]
        arrival = max(self._local.get(key, 0.0), now_us)
        following = arrival + rule.interval_us * cost
        if (early := following - now_us - rule.tolerance_us) > 0:
            return False, early, arrival - now_us
        self._local.pop(key, None)  # Put back at the end, so that the oldest are those that were quiet longest.
        self._local[key] = following
        return True, 0.0, following - now_us
