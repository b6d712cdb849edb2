"""The ladder of `onsale bench holds`: up while steps pass, down where the first fails, and a second try for each."""

from typing import Any

import msgspec
import pytest

from onsale.bench import holds
from onsale.bench.attempts import Mix

pytestmark = pytest.mark.anyio

EVENTS = list(range(1, 11))


class House:
    """Serves up to `most` attempts a second; steps of the numbers in `disturbed` fail whatever was offered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: float, disturbed: tuple[int, ...] = ()) -> None:
        self.offered: list[float] = []
        self.events: list[int] = []

        async def run(stage, events, variant, mix, web, rate):
            self.offered.append(round(rate, 1))
            self.events += events
            passed = rate <= most and len(self.offered) not in disturbed
            return step(rate, passed=passed, p99_ms=50.0 - len(self.offered))

        monkeypatch.setattr(holds, "run", run)

    async def climb(self) -> holds.Ladder:
        return await holds.climb(None, EVENTS, "", Mix.HALF, 2, 1_000.0)  # type: ignore[arg-type]


def step(rate: float, *, passed: bool, p99_ms: float) -> holds.Run:
    values: dict[str, Any] = {field.name: 0 for field in msgspec.structs.fields(holds.Run)}
    values |= {"variant": "", "outcomes": {}, "cpu_us": {}, "why": "", "passed": passed, "p99_ms": p99_ms}
    return holds.Run(**values | {"mix": Mix.HALF, "offered_per_s": rate, "attempts_per_s": rate})


async def test_it_climbs_until_a_step_has_failed_twice_and_runs_at_70_percent_twice(monkeypatch):
    house = House(monkeypatch, most=1_300)
    ladder = await house.climb()
    assert house.offered == [1_000, 1_200, 1_440, 1_440, 840, 840]
    assert ladder.most is not None and ladder.most.offered_per_s == 1_200
    assert ladder.at_70 is not None and ladder.at_70.p99_ms == 44, "the better of the two"
    assert not ladder.ended
    assert len(set(house.events)) == len(house.events), "an event a step"


async def test_a_step_that_was_disturbed_once_does_not_end_it(monkeypatch):
    house = House(monkeypatch, most=1_300, disturbed=(1, 3))
    ladder = await house.climb()
    assert house.offered[:6] == [1_000, 1_000, 1_200, 1_200, 1_440, 1_440]
    assert ladder.most is not None and ladder.most.offered_per_s == 1_200


async def test_where_the_first_step_fails_it_goes_down_to_the_first_that_passes(monkeypatch):
    house = House(monkeypatch, most=700)
    ladder = await house.climb()
    assert house.offered[:7] == [1_000, 1_000, 833.3, 833.3, 694.4, 486.1, 486.1]
    assert ladder.most is not None and round(ladder.most.offered_per_s, 1) == 694.4
    assert not ladder.ended


async def test_a_run_at_70_percent_that_failed_is_not_the_better_one(monkeypatch):
    ladder = await House(monkeypatch, most=1_100, disturbed=(5,)).climb()
    assert ladder.at_70 is not None and ladder.at_70.passed and ladder.at_70.p99_ms == 46


async def test_when_the_events_are_used_up_the_best_may_be_better(monkeypatch):
    house = House(monkeypatch, most=1_000_000)
    ladder = await house.climb()
    assert len(house.offered) == len(EVENTS)
    assert ladder.ended and ladder.most is ladder.steps[-1]


async def test_where_nothing_passes_there_is_no_best(monkeypatch):
    ladder = await House(monkeypatch, most=0).climb()
    assert (ladder.most, ladder.at_70, ladder.ended) == (None, None, False)
