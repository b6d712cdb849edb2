"""Open loop: what a stall of the system, or of the generator, does to the figures."""

import asyncio
import time

import msgspec
import pytest
from tests.unit.drop.servers import answer, read_request, serving

from onsale.drop import Client, Report, RequestFailed, Schedule, merged, run
from onsale.drop.connection import Failure

pytestmark = pytest.mark.anyio

STALL_S = 1.0


class Stalling:
    """A server that stands still once, from its 50th request on, for STALL_S; otherwise it answers at once."""

    def __init__(self):
        self.requests = 0
        self.awake = asyncio.Event()
        self.awake.set()

    async def talk(self, reader, writer):
        while await read_request(reader):
            self.requests += 1
            if self.requests == 50:
                self.awake.clear()
                asyncio.get_running_loop().call_later(STALL_S, self.awake.set)
            await self.awake.wait()
            writer.write(answer(b"ok"))


async def test_a_stall_shows_in_the_latency_of_everybody_who_was_due_during_it():
    schedule = Schedule.at_rate(100, 2.5, seed=11, poisson=False)
    async with serving(Stalling().talk) as url, Client(url) as client:

        async def work(number):
            return str((await client.get("/")).status)

        report = await run(schedule, work, in_flight_max=500)
    # The stall lasts for 40 % of the arrivals; half of those due in it wait more than half of it.
    assert report.outcomes.keys() == {"200"}
    assert report.offered == report.latency.count == 250
    assert report.latency.p50_s < 0.2
    assert report.latency.p90_s > 0.6 * STALL_S
    assert report.latency.max_s >= 0.95 * STALL_S
    assert report.held_back == 0
    assert not report.generator_is_limit


async def test_a_closed_loop_would_have_hidden_the_same_stall():
    """The negative control: the same server, asked again only after it answered, looks fast to 99 % and more."""
    latencies = []
    async with serving(Stalling().talk) as url, Client(url) as client:
        for _ in range(250):
            begun = time.monotonic()
            await client.get("/")
            latencies.append(time.monotonic() - begun)
    assert sorted(latencies)[247] < 0.5 * STALL_S
    assert max(latencies) >= 0.95 * STALL_S


async def test_waiting_for_a_place_in_flight_counts_and_is_told():
    async def work(number):
        await asyncio.sleep(0.1)
        return "done"

    report = await run(Schedule.at_rate(100, 0.5, seed=1, poisson=False), work, in_flight_max=5)
    # 50 pieces at 50 a second take a second: the last has waited for about half of it.
    assert report.in_flight_peak == 5
    assert report.held_back > 30
    assert report.latency.max_s > 0.4
    assert report.lateness.p50_s < 0.05
    assert "fell behind" in report.verdict or report.generator_is_limit


async def test_a_late_generator_says_so_and_does_not_blame_the_system():
    async def work(number):
        time.sleep(0.005)  # noqa: ASYNC251 - The generator's own work: the loop stands still.
        return "done"

    report = await run(Schedule.at_rate(400, 0.5, seed=2, poisson=False), work, in_flight_max=1_000)
    assert report.generator_is_limit
    assert report.lateness.p99_s > 0.2
    assert report.held_back == 0
    assert "The generator was the limit" in report.verdict


async def test_what_goes_wrong_is_counted_by_name_and_ends_nothing():
    async def work(number):
        if number % 3 == 0:
            raise RequestFailed(Failure.TIMEOUT)
        if number % 3 == 1:
            raise ZeroDivisionError
        return "done"

    report = await run(Schedule.at_rate(1_000, 0.03, seed=3, poisson=False), work, in_flight_max=100)
    counts = {name: summary.count for name, summary in report.outcomes.items()}
    assert counts == {"failed:timeout": 10, "error:ZeroDivisionError": 10, "done": 10}


async def test_what_never_ends_is_given_up_and_counted():
    cancelled = []

    async def work(number):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(number)
        return "done"

    schedule = Schedule.at_rate(100, 0.05, seed=4, poisson=False)
    report = await run(schedule, work, in_flight_max=100, drain_s=0.1)
    assert report.unfinished == report.outcomes["unfinished"].count == 5
    assert report.finished == 0
    assert report.latency.min_s >= 0.1
    assert sorted(cancelled) == [0, 1, 2, 3, 4]


async def test_a_run_that_is_cancelled_leaves_nothing_behind():
    ended = asyncio.Event()

    async def work(number):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "done"

    running = asyncio.ensure_future(run(Schedule.at_rate(100, 60.0, seed=5), work, in_flight_max=10))
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


async def test_a_report_survives_json_and_reports_add_up():
    async def work(number):
        return "even" if number % 2 == 0 else "odd"

    reports = [await run(Schedule.at_rate(1_000, 0.1, seed, poisson=False), work, in_flight_max=10) for seed in (6, 7)]
    again = [msgspec.json.decode(msgspec.json.encode(report), type=Report) for report in reports]
    both = merged(again)
    assert again == reports
    assert (both.seeds, both.offered, both.processes) == ([6, 7], 200, 2)
    assert {name: summary.count for name, summary in both.outcomes.items()} == {"even": 100, "odd": 100}
    assert both.latency.max_s == max(report.latency.max_s for report in reports)
    assert both.table().row_count == 4
