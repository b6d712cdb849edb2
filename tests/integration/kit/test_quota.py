"""Rates: exact over all processes while Redis answers, per process while it does not."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onsale import limits
from onsale.kit import clock, redis
from onsale.kit.quota import Charge, Lease, Quota, Rule, quota_fallbacks

pytestmark = pytest.mark.anyio

HOURLY = Rule("hourly", 10, 3_600)


@pytest.fixture
def away():
    """A Redis that refuses every connection."""
    return Quota(redis.connect("redis://127.0.0.1:9/0"))


async def take(quota, rule, key="ann", cost=1):
    [verdict] = await quota.take(Charge(rule, key, cost))
    return verdict


async def taken(quota, rule, count, key="ann", cost=1):
    return [(await take(quota, rule, key, cost)).allowed for _ in range(count)]


async def test_as_many_pass_as_the_rule_says_and_the_next_does_not(redis_client):
    quota = Quota(redis_client)
    assert await taken(quota, HOURLY, 12) == [True] * 10 + [False] * 2
    assert await taken(quota, HOURLY, 1, "bob") == [True]
    assert await taken(quota, Rule("other", 10, 3_600), 1) == [True]


async def test_of_two_hundred_at_once_from_two_processes_exactly_the_quota_passes(redis_url):
    clients = [redis.connect(redis_url) for _ in range(2)]
    processes = [Quota(client) for client in clients]
    verdicts = await asyncio.gather(*(take(processes[turn % 2], HOURLY) for turn in range(200)))
    assert sum(verdict.allowed for verdict in verdicts) == 10
    for client in clients:
        await client.aclose()


async def test_a_clock_that_was_put_back_locks_nobody_out(redis_client):
    quota = Quota(redis_client)
    seconds, micros = await redis_client.time()
    now_us, hour_us = seconds * 1_000_000 + micros, 3_600_000_000
    await redis_client.set("{quota}:hourly:ann", now_us + 10 * hour_us)
    assert await taken(quota, HOURLY, 11) == [True] * 10 + [False]
    await redis_client.set("{quota}:hourly:bob", now_us + hour_us + 5_000_000)
    assert await taken(quota, HOURLY, 1, "bob") == [False], "a small step is no new quota"


async def test_counting_and_then_writing_lets_more_through(redis_client):
    """Negative control: the same rule as two commands."""
    both_have_read = asyncio.Barrier(20)
    passed = []

    async def take():
        count = int(await redis_client.get("naive") or 0)
        await both_have_read.wait()
        if count < 10:
            passed.append(1)
            await redis_client.set("naive", count + 1)

    await asyncio.gather(*(take() for _ in range(20)))
    assert len(passed) == 20


async def test_what_is_left_and_when_is_told(redis_client):
    quota = Quota(redis_client)
    first = await take(quota, HOURLY)
    assert (first.allowed, first.remaining, first.retry_after_s) == (True, 9, 0.0)
    assert 359 < first.reset_s <= 360
    await taken(quota, HOURLY, 9)
    refused = await take(quota, HOURLY)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert 355 < refused.retry_after_s <= 360
    assert 3_595 < refused.reset_s <= 3_600


async def test_a_refusal_costs_nothing(redis_client):
    quick = Rule("quick", 2, 0.4)
    quota = Quota(redis_client)
    assert await taken(quota, quick, 50) == [True] * 2 + [False] * 48
    await clock.sleep(0.25)
    assert await taken(quota, quick, 2) == [True, False]


async def test_too_much_at_once_takes_nothing(redis_client):
    quota = Quota(redis_client)
    assert await taken(quota, HOURLY, 1, cost=11) == [False]
    assert await taken(quota, HOURLY, 3, cost=5) == [True, True, False]


async def test_a_key_that_is_idle_again_is_gone(redis_client):
    quick = Rule("quick", 5, 0.2)
    await taken(Quota(redis_client), quick, 5)
    assert await redis_client.keys("{quota}:*") == [b"{quota}:quick:ann"]
    await clock.sleep(0.3)
    assert await redis_client.keys("{quota}:*") == []


async def test_a_script_that_redis_has_forgotten_is_sent_again(redis_client):
    quota = Quota(redis_client)
    await taken(quota, HOURLY, 1)
    await redis_client.script_flush()
    assert await taken(quota, HOURLY, 10) == [True] * 9 + [False]


async def test_while_redis_is_away_the_process_counts_by_itself_and_says_so(away):
    before = quota_fallbacks.labels("hourly")._value.get()
    assert await taken(away, HOURLY, 12) == [True] * 10 + [False] * 2
    assert await taken(away, HOURLY, 1, "bob") == [True]
    assert quota_fallbacks.labels("hourly")._value.get() == before + 13


async def test_counting_alone_gives_back_with_time_too(away):
    quick = Rule("quick", 2, 0.4)
    assert await taken(away, quick, 3) == [True, True, False]
    await clock.sleep(0.25)
    assert await taken(away, quick, 2) == [True, False]


async def test_counting_alone_is_bounded_and_keeps_whom_it_saw_last(away, monkeypatch):
    monkeypatch.setattr(limits, "LOCAL_QUOTA_KEYS_MAX", 10)
    for number in range(9):
        await take(away, HOURLY, f"quiet {number}")
        await take(away, Rule("hourly", 100, 3_600), "busy")
    await take(away, HOURLY, "new")
    assert len(away._local) <= 10
    assert {"hourly:busy", "hourly:new", "hourly:quiet 8"} <= away._local.keys()
    assert "hourly:quiet 0" not in away._local


@given(count=st.integers(1, 50), per_s=st.integers(1, 100), times=st.lists(st.floats(0, 5), min_size=1, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_in_no_stretch_of_time_does_more_than_twice_the_quota_pass(count, per_s, times):
    """GCRA lets a full burst pass, and refills evenly: within `per_s` at most the burst and one refill."""
    rule = Rule("any", count, per_s)
    quota = Quota(redis.connect("redis://127.0.0.1:9/0"))
    now, passed = 0.0, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "monotonic", lambda: now)
        for step in times:
            now += step
            if quota._take_here([Charge(rule, "k")])[0].allowed:
                passed.append(now)
    for start in passed:
        within = [at for at in passed if start <= at < start + per_s]
        assert len(within) <= 2 * count


async def test_the_two_ways_of_counting_agree(redis_client, away, monkeypatch):
    """The same arithmetic twice, in Lua and in Python: the same verdicts for the same requests."""
    quota = Quota(redis_client)
    for cost in (1, 4, 1, 3, 2, 1, 1):
        there, here = await take(quota, HOURLY, "ann", cost), await take(away, HOURLY, "ann", cost)
        assert (there.allowed, there.remaining) == (here.allowed, here.remaining)
        assert there.retry_after_s == pytest.approx(here.retry_after_s, abs=3)
        assert there.reset_s == pytest.approx(here.reset_s, abs=3)


async def test_of_several_charges_all_are_taken_or_none(redis_client, away):
    """Whoever is refused by one rule keeps what the other would have cost, in either way of counting."""
    twice = Rule("twice", 2, 3_600)
    for quota in (Quota(redis_client), away):
        both = Charge(twice, "ann"), Charge(HOURLY, "ann")
        assert [[verdict.allowed for verdict in await quota.take(*both)] for _ in range(4)] == [
            [True, True],
            [True, True],
            [False, True],
            [False, True],
        ]
        assert (await take(quota, HOURLY)).remaining == 7


async def test_what_is_asked_at_the_same_time_is_one_step_and_counted_in_turn(redis_client):
    quota = Quota(redis_client)
    calls = (
        (await redis_client.info("commandstats"))["cmdstat_evalsha"]["calls"] if await take(quota, HOURLY, "x") else 0
    )
    verdicts = await asyncio.gather(*(quota.take(Charge(HOURLY, "ann"), Charge(HOURLY, f"{n}")) for n in range(50)))
    assert [one[0].allowed for one in verdicts] == [True] * 10 + [False] * 40
    assert (await redis_client.info("commandstats"))["cmdstat_evalsha"]["calls"] - calls <= 2


async def test_after_a_fault_nobody_waits_for_redis_for_a_while(away, monkeypatch):
    asked = []

    async def failing(*, keys, args):
        asked.append(keys)
        raise redis.FAULTS[0]

    monkeypatch.setattr(away, "_script", failing)
    await taken(away, HOURLY, 5)
    assert len(asked) == 1
    monkeypatch.setattr(limits, "QUOTA_AWAY_S", 0.0)
    away._away_until_s = 0.0
    await taken(away, HOURLY, 2)
    assert len(asked) == 3


async def test_a_lease_asks_once_a_block_and_all_processes_together_get_no_more_than_the_rate(redis_url):
    rule = Rule("all", 100, 3_600)
    clients = [redis.connect(redis_url) for _ in range(3)]
    leases = [Lease(Quota(client), rule, block=10) for client in clients]

    async def calls():
        return (await clients[0].info("commandstats"))["cmdstat_evalsha"]["calls"]

    await asyncio.gather(*(take(lease._quota, HOURLY) for lease in leases))
    before = await calls()
    verdicts = await asyncio.gather(*(leases[turn % 3].take() for turn in range(300)))
    assert sum(verdict is None for verdict in verdicts) == 100
    refused = next(verdict for verdict in verdicts if verdict)
    assert refused.retry_after_s > 0
    assert await calls() - before <= 100 / 10 + len(leases), "a block each time, and for each process one refusal"
    for client in clients:
        await client.aclose()


async def test_what_is_left_of_a_block_lapses(redis_client, monkeypatch):
    monkeypatch.setattr(limits, "QUOTA_LEASE_S", 0.05)
    lease = Lease(Quota(redis_client), Rule("all", 20, 3_600), block=10)
    assert await lease.take() is None
    await clock.sleep(0.1)
    assert [await lease.take() is None for _ in range(11)] == [True] * 10 + [False]
