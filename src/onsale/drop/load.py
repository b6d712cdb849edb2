"""Open loop: each piece of work has a moment when it is due, and its latency counts from that moment.

A closed loop (send, wait, send again) stops asking while the system stalls, and so leaves out of its percentiles just
the people who suffered: "coordinated omission" (Gil Tene, 2013). Here arrivals come from a schedule that knows nothing
of the system. Where the generator could not keep up with its own schedule, the report says so instead of blaming the
system.
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
from rich.table import Table

from onsale.drop.connection import RequestFailed
from onsale.drop.drop_limits import (
    BURST_MAX,
    CPU_MAX_SHARE,
    DRAIN_S,
    LATENESS_OF_P99_MAX_SHARE,
    LATENESS_TRUSTED_S,
)
from onsale.drop.histogram import Histogram, Summary, summaries, together
from onsale.drop.schedule import Schedule
from onsale.kit import clock, tasks

Work = Callable[[int], Awaitable[str]]
"""One piece of work by its number; the answer names the outcome."""


class Report(msgspec.Struct, frozen=True):
    """What a run saw. `msgspec.json.encode(report)` is its JSON; `merged` adds up those of several processes.

    latency     from when a piece was due until it ended, all outcomes
    lateness    from when the generator could have begun a piece until it did: its own slowness
    held_back   pieces that began late because in_flight_max were under way; that wait is in their latency
    unfinished  pieces that had not ended DRAIN_S after the last arrival; counted with the latency they had by then
    """

    seeds: list[int]
    duration_s: float
    elapsed_s: float
    offered: int
    offered_per_s: float
    finished: int
    finished_per_s: float
    unfinished: int
    outcomes: dict[str, Summary]
    latency: Summary
    lateness: Summary
    in_flight_max: int
    in_flight_peak: int
    held_back: int
    generator_cpu_s: float
    processes: int
    generator_is_limit: bool
    verdict: str

    def table(self) -> Table:
        """For people: a line an outcome, latencies in milliseconds."""
        title = f"{self.offered:,} due at {self.offered_per_s:,.0f}/s, {self.finished_per_s:,.0f}/s finished"
        seeds = ", ".join(map(str, self.seeds))
        table = Table(title=title, caption=f"{self.verdict}\nseed {seeds}", caption_justify="left")
        table.add_column("from when due, ms")
        for column in ("count", "mean", "p50", "p90", "p99", "p99.9", "max"):
            table.add_column(column, justify="right")
        for name, summary in self.outcomes.items():
            table.add_row(*row(name, summary))
        table.add_section()
        table.add_row(*row("all", self.latency))
        table.add_row(*row("generator's own lateness", self.lateness))
        return table


def row(name: str, summary: Summary) -> list[str]:
    """The cells of one summary, in milliseconds."""
    values = (summary.mean_s, summary.p50_s, summary.p90_s, summary.p99_s, summary.p999_s, summary.max_s)
    return [name, f"{summary.count:,}", *(f"{value * 1000:,.1f}" for value in values)]


async def run(
    schedule: Schedule,
    work: Work,
    *,
    in_flight_max: int,
    drain_s: float = DRAIN_S,
    on_end: Callable[[str], None] | None = None,
) -> Report:
    """Do a piece of work at each arrival of the schedule, whatever became of those before, and say how it went.

    in_flight_max bounds what is under way at once; arrivals beyond it wait, and their wait counts. What `work` raises
    is an outcome of its own (`failed:<kind>`, `error:<type>`), never the end of the run. `on_end` hears each outcome.
    """
    if in_flight_max < 1:
        raise ValueError("at least one piece of work must be allowed in flight")
    load = _Load(work, in_flight_max, on_end)
    cpu_before_s = _cpu_s()
    try:
        await load.offer(schedule)
        await load.drain(drain_s)
    finally:
        await load.stop()
    return _report(schedule, load, _cpu_s() - cpu_before_s)


class _Load:
    """The state of one run."""

    def __init__(self, work: Work, in_flight_max: int, on_end: Callable[[str], None] | None) -> None:
        self._work = work
        self._on_end = on_end
        self.in_flight_max = in_flight_max
        self.in_flight_peak = 0
        self.held_back = 0
        self.offered = 0
        self.unfinished = 0
        self.outcomes: dict[str, Histogram] = {}
        self.lateness = Histogram()
        self.started_s = clock.monotonic()
        self.ended_s = self.started_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._free: asyncio.Future[None] | None = None
        self._freed_s = self.started_s

    async def offer(self, schedule: Schedule) -> None:
        """Launch each piece when it is due, or as soon after as the bound allows."""
        burst = 0
        for number, after_s in enumerate(schedule.arrivals()):
            due_s = self.started_s + after_s
            wait_s = due_s - clock.monotonic()
            burst = 0 if wait_s > 0 else burst + 1
            if wait_s > 0 or burst % BURST_MAX == 0:
                await clock.sleep(max(0.0, wait_s))
            if len(self._under_way) >= self.in_flight_max:
                await self._wait_until_free()
            self.held_back += self._freed_s > due_s
            self._launch(number, due_s, max(due_s, self._freed_s))

    async def drain(self, drain_s: float) -> None:
        """Wait for what is under way, at most drain_s. What has not ended then is counted, not awaited."""
        if self._under_way:
            _, late = await asyncio.wait(set(self._under_way), timeout=drain_s)
            self.unfinished = len(late)

    async def stop(self) -> None:
        """End what is still under way: nothing of a run outlives it, not even when the run itself is cancelled."""
        await tasks.cancel(*self._under_way)

    async def _wait_until_free(self) -> None:
        self._free = asyncio.get_running_loop().create_future()
        await self._free
        self._free = None
        self._freed_s = clock.monotonic()

    def _launch(self, number: int, due_s: float, possible_s: float) -> None:
        task = tasks.spawn(self._do(number, due_s, possible_s), name="drop work")
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        self.offered += 1
        self.in_flight_peak = max(self.in_flight_peak, len(self._under_way))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._free is not None and not self._free.done():
            self._free.set_result(None)

    async def _do(self, number: int, due_s: float, possible_s: float) -> None:
        self.lateness.record(clock.monotonic() - possible_s)
        outcome = "unfinished"
        try:
            outcome = await self._work(number)
        except RequestFailed as failed:
            outcome = f"failed:{failed.kind}"
        except Exception as error:  # noqa: BLE001 - one piece's bug must not end the run; it is counted by its type
            outcome = f"error:{type(error).__name__}"
        finally:
            self.ended_s = clock.monotonic()
            self.outcomes.setdefault(outcome, Histogram()).record(self.ended_s - due_s)
            if self._on_end is not None:
                self._on_end(outcome)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _report(schedule: Schedule, load: _Load, cpu_s: float) -> Report:
    return _judged(
        seeds=[schedule.seed],
        duration_s=schedule.duration_s,
        elapsed_s=max(schedule.duration_s, load.ended_s - load.started_s),
        offered=load.offered,
        unfinished=load.unfinished,
        outcomes=load.outcomes,
        lateness=load.lateness,
        in_flight_max=load.in_flight_max,
        in_flight_peak=load.in_flight_peak,
        held_back=load.held_back,
        cpu_s=cpu_s,
        processes=1,
    )


def merged(reports: Sequence[Report]) -> Report:
    """The reports of processes that ran side by side, as one. Percentiles are made anew from the buckets."""
    if not reports:
        raise ValueError("there is nothing to add up")
    outcomes: dict[str, Histogram] = {}
    for report in reports:
        for name, summary in report.outcomes.items():
            outcomes.setdefault(name, Histogram()).add(Histogram.of(summary))
    return _judged(
        seeds=[seed for report in reports for seed in report.seeds],
        duration_s=max(report.duration_s for report in reports),
        elapsed_s=max(report.elapsed_s for report in reports),
        offered=sum(report.offered for report in reports),
        unfinished=sum(report.unfinished for report in reports),
        outcomes=outcomes,
        lateness=together(Histogram.of(report.lateness) for report in reports),
        in_flight_max=sum(report.in_flight_max for report in reports),
        in_flight_peak=sum(report.in_flight_peak for report in reports),
        held_back=sum(report.held_back for report in reports),
        cpu_s=sum(report.generator_cpu_s for report in reports),
        processes=sum(report.processes for report in reports),
    )


def _judged(
    *,
    seeds: list[int],
    duration_s: float,
    elapsed_s: float,
    offered: int,
    unfinished: int,
    outcomes: dict[str, Histogram],
    lateness: Histogram,
    in_flight_max: int,
    in_flight_peak: int,
    held_back: int,
    cpu_s: float,
    processes: int,
) -> Report:
    latency = together(outcomes.values()).summary()
    late = lateness.summary()
    cpu_share = cpu_s / elapsed_s / processes if elapsed_s else 0.0
    faults = list(_generator_faults(latency, late, cpu_share))
    finished = latency.count - unfinished
    return Report(
        seeds=seeds,
        duration_s=duration_s,
        elapsed_s=elapsed_s,
        offered=offered,
        offered_per_s=offered / duration_s if duration_s else 0.0,
        finished=finished,
        finished_per_s=finished / elapsed_s if elapsed_s else 0.0,
        unfinished=unfinished,
        outcomes=summaries(outcomes),
        latency=latency,
        lateness=late,
        in_flight_max=in_flight_max,
        in_flight_peak=in_flight_peak,
        held_back=held_back,
        generator_cpu_s=cpu_s,
        processes=processes,
        generator_is_limit=bool(faults),
        verdict=_verdict(faults, held_back, in_flight_max),
    )


def _generator_faults(latency: Summary, lateness: Summary, cpu_share: float) -> Iterable[str]:
    """Why the generator, not the system, made these figures; nothing when they stand."""
    if lateness.p99_s > max(LATENESS_TRUSTED_S, latency.p99_s * LATENESS_OF_P99_MAX_SHARE):
        yield f"it began work up to {lateness.p99_s * 1000:,.1f} ms late (p99)"
    if cpu_share > CPU_MAX_SHARE:
        yield f"its process used {cpu_share:.0%} of a core"


def _verdict(faults: list[str], held_back: int, in_flight_max: int) -> str:
    if faults:
        return f"The generator was the limit, not the system: {' and '.join(faults)}."
    if held_back:
        return (
            f"The system fell behind: {held_back:,} pieces waited because {in_flight_max:,} were under way; "
            "their wait is in the latency."
        )
    return "The generator kept its schedule: these figures are the system's."
