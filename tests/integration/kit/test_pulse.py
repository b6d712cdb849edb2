"""The pulse: what each process says of itself, and that the dead fall silent."""

import asyncio

import pytest

from onsale import limits
from onsale.kit import clock, redis, tasks
from onsale.kit.pulse import Pulse
from onsale.kit.redis import RedisAway

pytestmark = pytest.mark.anyio


@pytest.fixture
def nowhere():
    return redis.connect("redis://127.0.0.1:9/0")


async def test_the_figures_of_every_process_are_read_under_its_name(redis_client):
    one, two = Pulse(redis_client, "web:1"), Pulse(redis_client, "web:2")
    assert await one.publish("hold", {"p95_s": 0.1, "count": 3})
    assert await two.publish("hold", {"p95_s": 0.2})
    assert await two.publish("payment", {"p95_s": 2.0})
    assert await one.read("hold") == {"web:1": {"p95_s": 0.1, "count": 3.0}, "web:2": {"p95_s": 0.2}}
    assert await one.read("nothing") == {}


async def test_what_is_said_last_counts(redis_client):
    pulse = Pulse(redis_client, "web:1")
    for count in (1.0, 2.0):
        await pulse.publish("hold", {"count": count})
    assert await pulse.read("hold") == {"web:1": {"count": 2.0}}


async def test_a_process_that_died_drops_out_by_itself(redis_client, monkeypatch):
    monkeypatch.setattr(limits, "PULSE_EXPIRY_S", 0.15)
    monkeypatch.setattr(limits, "PULSE_EVERY_S", 0.03)
    lives, dies = Pulse(redis_client, "lives"), Pulse(redis_client, "dies")
    beating = tasks.spawn(lives.beat("hold", lambda: {"count": 1.0}), name="beat")
    dying = tasks.spawn(dies.beat("hold", lambda: {"count": 1.0}), name="beat")
    await clock.sleep(0.1)
    assert set(await lives.read("hold")) == {"lives", "dies"}
    await tasks.cancel(dying)
    await clock.sleep(0.3)
    assert set(await lives.read("hold")) == {"lives"}
    await tasks.cancel(beating)


async def test_a_thousand_processes_are_read_whole(redis_client):
    await asyncio.gather(*(Pulse(redis_client, f"p{n}").publish("hold", {"n": n}) for n in range(1_000)))
    assert len(await Pulse(redis_client, "x").read("hold")) == 1_000


async def test_while_redis_is_away_saying_goes_unheard_and_reading_raises(nowhere):
    pulse = Pulse(nowhere, "web:1")
    assert await pulse.publish("hold", {"count": 1.0}) is False
    with pytest.raises(RedisAway):
        await pulse.read("hold")


async def test_beating_outlives_an_absence_of_redis(nowhere, monkeypatch):
    monkeypatch.setattr(limits, "PULSE_EVERY_S", 0.01)
    beating = tasks.spawn(Pulse(nowhere, "web:1").beat("hold", dict), name="beat")
    await clock.sleep(0.1)
    assert not beating.done()
    await tasks.cancel(beating)


def test_a_beat_lost_or_late_does_not_make_a_process_dead():
    assert limits.PULSE_EXPIRY_S >= 4 * limits.PULSE_EVERY_S
