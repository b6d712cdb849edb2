"""`onsale bench hot`: ten thousand open connections, and all of them want the same hundred seats."""

from collections.abc import Callable

import msgspec

from onsale.bench import cpu
from onsale.bench.attempts import HELD, SHED, TAKEN, hold_request, judge
from onsale.bench.stage import Stage, held_seats
from onsale.drop import Schedule, Shot, Volley
from onsale.kit import chance, db

SQL = db.load(__package__, "looks.sql")

CONNECTIONS = 10_000
SEATS = 100
BURST_MAX_S = 1.5
ARRIVALS_PER_S = 5_000.0
ARRIVALS_S = 6.0
P99_MAX_S = 0.2


class Rush(msgspec.Struct, frozen=True):
    """One rush for the same seats: how it was answered. `held_seats` is what the table says afterwards."""

    what: str
    wanted_seats: int
    attempts: int
    held: int
    taken: int
    shed: int
    others: dict[str, int]
    held_seats: int
    all_answered_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: dict[str, float]
    passed: bool


InTime = Callable[[Rush], bool]


async def burst(stage: Stage, event: int) -> Rush:
    """Every connection asks in the same instant, one seat each, every seat wanted by a hundred."""
    async with Volley(stage.address, CONNECTIONS) as volley:
        tokens = stage.sessions(CONNECTIONS)
        ready = [hold_request(event, [number % SEATS], token, number) for number, token in enumerate(tokens)]
        before = cpu.used_s()
        shot = await volley.burst(ready.__getitem__, judge)
        used = cpu.between_s(before, cpu.used_s())
    return await _rush(stage, event, "burst", shot, used, lambda rush: rush.all_answered_s <= BURST_MAX_S)


async def arrivals(stage: Stage, event: int) -> Rush:
    """The same, arriving over some seconds; seats by chance."""
    schedule = Schedule.at_rate(ARRIVALS_PER_S, ARRIVALS_S, seed=1)
    draw = chance.seeded(1)
    async with Volley(stage.address, CONNECTIONS) as volley:
        due = list(schedule.arrivals())
        wanted = zip(range(len(due)), stage.sessions(len(due)), strict=True)
        ready = [hold_request(event, [draw.randrange(SEATS)], token, number) for number, token in wanted]
        before = cpu.used_s()
        shot = await volley.fire(due, ready.__getitem__, judge)
        used = cpu.between_s(before, cpu.used_s())
    what = f"{ARRIVALS_PER_S:,.0f} arrivals/s"
    return await _rush(stage, event, what, shot, used, lambda rush: rush.p99_ms < P99_MAX_S * 1_000)


async def _rush(stage: Stage, event: int, what: str, shot: Shot, used: cpu.Used, in_time: InTime) -> Rush:
    async with stage.house() as house:
        in_hand = await held_seats(house, event)
    others = {name: summary.count for name, summary in shot.outcomes.items() if name not in (HELD, TAKEN)}
    made = Rush(
        what=what,
        wanted_seats=SEATS,
        attempts=shot.latency.count,
        held=shot.count(HELD),
        taken=shot.count(TAKEN),
        shed=shot.count(SHED),
        others=others,
        held_seats=in_hand,
        all_answered_s=shot.latency.max_s,
        p50_ms=shot.latency.p50_s * 1_000,
        p99_ms=shot.latency.p99_s * 1_000,
        max_ms=shot.latency.max_s * 1_000,
        cpu_s=used,
        passed=False,
    )
    right = made.held == made.held_seats == SEATS and not others
    return msgspec.structs.replace(made, passed=right and in_time(made))


def told(rush: Rush) -> str:
    """A rush in a line."""
    others = f", {rush.others}" if rush.others else ""
    return (
        f"{rush.what}: {rush.attempts:,} attempts for {rush.wanted_seats} seats: {rush.held} held, {rush.taken:,} taken"
        f"{others}; p50 {rush.p50_ms:.0f} p99 {rush.p99_ms:.0f} ms, the last answer after {rush.all_answered_s:.2f} s; "
        f"{'ok' if rush.passed else 'NOT MET'}"
    )
