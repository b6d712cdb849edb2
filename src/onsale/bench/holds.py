"""`onsale bench holds`: attempts a second to hold seats, how fast, and at what cost; beside other ways to do it."""

from collections.abc import Sequence
from functools import partial

import msgspec

from onsale.bench import cpu
from onsale.bench.attempts import GROUP_MAX, HELD, SHED, TAKEN, TAKEN_SEATS, Attempts, Mix, hold_request, judge
from onsale.bench.stage import Stage
from onsale.drop import Schedule, Shot, Volley
from onsale.kit import clock, db, ids

SQL = db.load(__package__, "looks.sql")

CONNECTIONS = 512
STEP_S = 5.0
WARM_UP_S = 1.0
# Seats are taken beforehand at this rate, or slower where less is offered.
BEFORE_PER_S = 2_500.0
# The ladder: each step offers so much more than the one before, until one of them fails.
STEP_FACTOR = 1.2
TRIES = 2
P99_MAX_S = 0.2
# A step has failed when the house fell so far behind what was offered, or shed more than this.
BEHIND_MAX_SHARE = 0.03
SHED_MAX_SHARE = 0.001
LATENESS_MAX_S = 0.02


class Run(msgspec.Struct, frozen=True):
    """One rate for some seconds. CPU in microseconds an attempt by part, and a hold for all but the generator."""

    variant: str
    mix: Mix
    web_processes: int
    events: int
    offered_per_s: float
    attempts_per_s: float
    held_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    outcomes: dict[str, int]
    cpu_us: dict[str, float]
    cpu_us_per_hold: float
    held_per_cpu_s: float
    generator_late_p99_ms: float
    cores_used: float
    passed: bool
    why: str


class Ladder(msgspec.Struct, frozen=True):
    """Rates tried upwards; `most` is the best that passed, `at_70` the better of two runs at 70 % of it.

    `ended`: the events were used up before a step had failed twice, so that the best may be better.
    """

    steps: list[Run]
    most: Run | None
    at_70: Run | None
    ended: bool


async def climb(stage: Stage, events: Sequence[int], variant: str, mix: Mix, web: int, start: float) -> Ladder:
    """Offer more and more, each step on an event of its own, until a step fails; then 70 % of the best.

    A step that fails is tried once more, and 70 % twice, of which the better counts: neighbours of a virtual machine
    take from it for seconds. Where the first step fails, less is offered until one passes.
    """
    for_steps, for_70 = events[:-TRIES], events[-TRIES:]
    steps: list[Run] = []
    rate, tries, down = start, 0, False
    for event in for_steps:
        steps.append(await run(stage, [event], variant, mix, web, rate))
        tries += 1
        if steps[-1].passed and not down:
            rate, tries = rate * STEP_FACTOR, 0
        elif steps[-1].passed or (tries == TRIES and any(step.passed for step in steps)):
            break
        elif tries == TRIES:
            rate, tries, down = rate / STEP_FACTOR, 0, True
    most = max((step for step in steps if step.passed), key=lambda step: step.attempts_per_s, default=None)
    if most is None:
        return Ladder(steps, None, None, ended=False)
    at_70 = [await run(stage, [event], variant, mix, web, 0.7 * most.attempts_per_s) for event in for_70]
    best = min(at_70, key=lambda run: (not run.passed, run.p99_ms))
    return Ladder(steps, most, best, ended=not down and tries < TRIES)


async def run(
    stage: Stage, events: Sequence[int], variant: str, mix: Mix, web: int, rate: float, seconds: float = STEP_S
) -> Run:
    """Offer a rate for some seconds to processes that serve already."""
    seats = stage.seats
    taken = min(TAKEN_SEATS, seats // 10)
    groups = [range(first, first + GROUP_MAX) for first in range(0, taken, GROUP_MAX)]
    before = [(event, group) for event in events for group in groups]
    tokens = stage.sessions(len(before) + round(rate * (seconds + WARM_UP_S) * 1.2) + 1_000)
    attempts = Attempts(events, seats, taken, mix, tokens[len(before) :], seed=round(rate))
    async with Volley(stage.address, CONNECTIONS) as volley:
        made = await volley.fire(
            (number / min(rate, BEFORE_PER_S) for number in range(len(before))),
            lambda number: hold_request(*before[number], tokens[number], number),
            judge,
        )
        assert made.count(HELD) == len(before), f"seats could not be taken beforehand: {made.outcomes.keys()}"
        warm = list(Schedule.at_rate(rate / 2, WARM_UP_S, seed=1).arrivals())
        await volley.fire(warm, attempts.request, judge)
        # Made beforehand: what a browser costs is its own affair.
        arrivals = list(Schedule.at_rate(rate, seconds, seed=2).arrivals())
        ready = [attempts.request(len(warm) + number) for number in range(len(arrivals))]
        begun, begun_s = cpu.used_s(), clock.monotonic()
        shot = await volley.fire(arrivals, ready.__getitem__, judge)
        used, took_s = cpu.between_s(begun, cpu.used_s()), clock.monotonic() - begun_s
    result = _run(shot, used, took_s, variant, mix, web, len(events), rate, ended=attempts.ended)
    stage.say(told(result))
    return result


def _run(
    shot: Shot,
    used: cpu.Used,
    took_s: float,
    variant: str,
    mix: Mix,
    web: int,
    events: int,
    rate: float,
    *,
    ended: bool,
) -> Run:
    count, held = shot.latency.count, shot.count(HELD)
    house_s = sum(seconds for part, seconds in used.items() if part in ("app", "worker", "postgres", "redis"))
    why = _fault(shot, rate, ended=ended)
    return Run(
        variant=variant or "onsale",
        mix=mix,
        web_processes=web,
        events=events,
        offered_per_s=rate,
        attempts_per_s=count / shot.elapsed_s,
        held_per_s=held / shot.elapsed_s,
        p50_ms=shot.latency.p50_s * 1_000,
        p95_ms=shot.latency.p95_s * 1_000,
        p99_ms=shot.latency.p99_s * 1_000,
        max_ms=shot.latency.max_s * 1_000,
        outcomes={name: summary.count for name, summary in shot.outcomes.items()},
        cpu_us={part: seconds / count * 1e6 for part, seconds in used.items()},
        cpu_us_per_hold=house_s / held * 1e6 if held else 0.0,
        held_per_cpu_s=held / house_s if house_s else 0.0,
        generator_late_p99_ms=shot.lateness.p99_s * 1_000,
        cores_used=sum(used.values()) / took_s,
        passed=not why,
        why=why,
    )


def _fault(shot: Shot, rate: float, *, ended: bool) -> str:
    """Why a step does not count as served; empty when it does."""
    others = [name for name in shot.outcomes if name not in (HELD, TAKEN, SHED)]
    if others:
        return f"answers that must not be: {', '.join(others)}"
    if ended:
        return "the free seats were used up"
    if shot.lateness.p99_s > LATENESS_MAX_S:
        return "the generator was late: it was the limit"
    if shot.count(SHED) > SHED_MAX_SHARE * shot.latency.count:
        return "more than 0.1 % were shed"
    if shot.latency.p99_s >= P99_MAX_S:
        return "p99 reached 200 ms"
    behind = 1 - shot.latency.count / shot.elapsed_s / rate
    return "it fell behind what was offered" if behind > BEHIND_MAX_SHARE else ""


def told(run: Run) -> str:
    """A run in a line."""
    cost = " ".join(f"{part} {value:.0f}" for part, value in run.cpu_us.items() if value >= 0.5)
    verdict = "ok" if run.passed else run.why
    return (
        f"{run.variant} {run.mix}, {run.web_processes} web: offered {run.offered_per_s:,.0f}/s, "
        f"{run.attempts_per_s:,.0f} attempts/s, {run.held_per_s:,.0f} held/s, "
        f"p50 {run.p50_ms:.1f} p99 {run.p99_ms:.1f} ms, us/attempt: {cost}; {run.cores_used:.2f} cores; {verdict}"
    )


def _same(request: bytes, number: int) -> bytes:
    return request


class Idle(msgspec.Struct, frozen=True):
    """A single hold on an idle system, over HTTP, beside a bare one-row commit. Medians in milliseconds."""

    hold_ms: float
    commit_ms: float

    @property
    def above_ms(self) -> float:
        return self.hold_ms - self.commit_ms


async def idle(stage: Stage, event: int, count: int = 300) -> Idle:
    """One after the other, alone on the machine; the two take turns, so that both meet the same disk."""
    tokens, holds, commits = stage.sessions(count), [], []
    async with stage.house() as house, Volley(stage.address, 1) as volley:
        for number in range(count):
            request = hold_request(event, [number], tokens[number], number)
            shot = await volley.fire([0.0], partial(_same, request), judge)
            holds.append(shot.latency.max_s)
            begun_s = clock.monotonic()
            async with house.database.batch() as tx:  # One packet there, one back.
                await tx.execute(SQL.touch_one_row, {"shard_id": ids.shard_of(event)})
            commits.append(clock.monotonic() - begun_s)
    middle = count // 2
    return Idle(hold_ms=sorted(holds)[middle] * 1_000, commit_ms=sorted(commits)[middle] * 1_000)
