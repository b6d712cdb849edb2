"""Which mirrors a process keeps, and when they may be trusted."""

import pytest

from onsale import limits
from onsale.inventory.watch import Watch
from onsale.kit.ids import ShardId


@pytest.fixture
def watch():
    return Watch(None, None, lambda shard_id, delta: None)  # type: ignore[arg-type]


def test_the_least_recently_used_mirror_is_dropped(watch, monkeypatch):
    monkeypatch.setattr(limits, "SHARDS_IN_MIND_MAX", 2)
    first, _ = (watch.mirror(ShardId(number)) for number in (64, 128))
    assert watch.mirror(ShardId(64)) is first
    watch.mirror(ShardId(192))
    assert [watch.known(ShardId(number)) is not None for number in (64, 128, 192)] == [True, False, True]


def test_large_mirrors_are_dropped_sooner_but_never_the_one_that_is_wanted(watch, monkeypatch):
    monkeypatch.setattr(limits, "MIRROR_SEATS_MAX", 100)
    for number in (64, 128, 192):
        watch.mirror(ShardId(number)).states = bytearray(b"0" * 70)
        watch._fit()
    assert [watch.known(ShardId(number)) is not None for number in (64, 128, 192)] == [False, False, True]
    watch.mirror(ShardId(192)).states = bytearray(b"0" * 170)
    watch._fit()
    assert watch.known(ShardId(192)) is not None


def test_trust_needs_an_answer_and_a_beat_that_are_fresh(watch):
    assert not watch.trusted(0.0)
    watch._asked_at_s = {b"1": 10.0, b"2": 11.0}
    watch._heard(b"message", [b"{map}:beat", b"1"])
    assert not watch.trusted(10.0), "a beat before the first answer may have waited in the pipe for long"
    watch._heard(b"pong", [b"1"])
    assert not watch.trusted(10.0)
    watch._heard(b"message", [b"{map}:beat", b"2"])
    assert watch.trusted(10.0 + limits.MAP_PIPE_AGE_MAX_S - 0.01)
    assert not watch.trusted(10.01 + limits.MAP_PIPE_AGE_MAX_S)
    watch._heard(b"pong", [b"2"])
    assert watch.trusted(10.0 + limits.MAP_BEAT_AGE_MAX_S - 0.01)
    assert not watch.trusted(10.01 + limits.MAP_BEAT_AGE_MAX_S), "the beat is as old as the answer before it"
