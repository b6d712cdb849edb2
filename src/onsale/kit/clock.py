"""Time, passed in everywhere else: the only module that asks the machine what time it is or sleeps."""

import asyncio
import time
from datetime import UTC, datetime


def utcnow() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


def unix_s() -> float:
    """The wall clock in seconds since 1970."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never goes back; for durations and deadlines inside one process."""
    return time.monotonic()


def perf_ns() -> int:
    """Nanoseconds on the finest monotonic clock; for latencies."""
    return time.perf_counter_ns()


def stand_still(seconds: float) -> None:
    """Let nothing happen in this process for so long. Only kit/moderation has a reason to."""
    time.sleep(seconds)


async def sleep(seconds: float) -> None:
    """Give way to other tasks for that long."""
    await asyncio.sleep(seconds)
