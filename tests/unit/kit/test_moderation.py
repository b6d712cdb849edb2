"""A busy process that has little to do stands still for a moment; a quiet one and one that is behind never do."""

import asyncio

import pytest

from onsale import limits
from onsale.kit.moderation import Moderation

pytestmark = pytest.mark.anyio

PAUSE_S = limits.MODERATION_PAUSE_S


class Still:
    """A clock that moves when a test moves it, and what was stood still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        self.pauses: list[float] = []
        monkeypatch.setattr("onsale.kit.clock.monotonic", lambda: self.now_s)
        monkeypatch.setattr("onsale.kit.clock.stand_still", self.pauses.append)


async def arrive(still: Still, moderation: Moderation, count: int, per_s: float, together: int = 1) -> None:
    """So many requests at a rate, some of them in each round of the loop."""
    for _ in range(count // together):
        still.now_s += together / per_s
        for _ in range(together):
            moderation.came()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_quiet_process_never_stands_still(monkeypatch):
    still, moderation = Still(monkeypatch), Moderation()
    await arrive(still, moderation, 10 * limits.MODERATION_SAMPLE_MAX, limits.MODERATION_FROM_PER_S / 2)
    assert still.pauses == []


async def test_a_busy_one_does_once_a_round_and_no_more_when_it_is_quiet_again(monkeypatch):
    still, moderation = Still(monkeypatch), Moderation()
    await arrive(still, moderation, 2 * limits.MODERATION_SAMPLE_MAX, 2 * limits.MODERATION_FROM_PER_S)
    still.pauses.clear()
    await arrive(still, moderation, 20, 2 * limits.MODERATION_FROM_PER_S, together=2)
    assert still.pauses == [PAUSE_S] * 10
    still.pauses.clear()
    still.now_s += 60
    await arrive(still, moderation, 100, limits.MODERATION_FROM_PER_S / 2)
    assert still.pauses == []


async def test_one_that_is_behind_does_not(monkeypatch):
    still, moderation = Still(monkeypatch), Moderation()
    together = limits.MODERATION_FOUND_MAX + 1
    await arrive(still, moderation, 4 * limits.MODERATION_SAMPLE_MAX, 10 * limits.MODERATION_FROM_PER_S, together)
    assert still.pauses == []
