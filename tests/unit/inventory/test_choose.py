"""Seats chosen by requests that are under way: nobody is left out for ever, in whatever order they end."""

import asyncio
from typing import Any

import pytest

from onsale.inventory.choose import Chooser
from onsale.kit.ids import ShardId

pytestmark = pytest.mark.anyio
SHARD = ShardId(64)
NOBODY: Any = None


def test_requests_that_overlap_leave_nothing_chosen_when_all_have_ended():
    """Each ends while others go on; what one leaves must not be lost with what another takes along."""
    chooser = Chooser(NOBODY)
    begun = [chooser.chosen(SHARD, (number, number + 1)) for number in range(4)]
    for asking in begun:
        asking.__enter__()
    for asking in (begun[1], begun[3], begun[0]):
        asking.__exit__(None, None, None)
        assert chooser._chosen[SHARD]
    begun[2].__exit__(None, None, None)
    assert not chooser._chosen


async def test_who_waits_for_one_more_answer_goes_on_with_it():
    chooser = Chooser(NOBODY)
    with chooser.chosen(SHARD, (1, 2)):
        waiting = asyncio.ensure_future(chooser.one_more_known(SHARD))
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(chooser.one_more_known(SHARD), 1)


async def test_nobody_waits_for_an_answer_for_ever(monkeypatch):
    monkeypatch.setattr("onsale.limits.HOLD_WAIT_MAX_S", 0.05)
    chooser = Chooser(NOBODY)
    with chooser.chosen(SHARD, (1, 2)):
        await asyncio.wait_for(chooser.one_more_known(SHARD), 2)
