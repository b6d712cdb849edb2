"""`onsale bench join`: what joining a line costs, beside a request that does nothing on the same server."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from onsale import ops
from onsale.bench import cpu
from onsale.bench.stage import Stage
from onsale.drop import Schedule, Volley, fan_address
from onsale.kit import ids

CONNECTIONS = 512
RATE_PER_S = 3_000.0
SECONDS = 5.0
WARM_UP_S = 1.0
LATENESS_MAX_S = 0.02
# So often everything is measured, in turn: the machine changes from minute to minute, and medians count.
ROUNDS = 3

BARE_MAX, GUARDED_MAX, BOARD_MAX = 2.0, 3.0, 1.3
"""What the line may cost, in empty requests: a join without guards, with all of them, and the board."""


class Cost(msgspec.Struct, frozen=True):
    """One kind of request at one rate. CPU in microseconds a request."""

    what: str
    offered_per_s: float
    answered_per_s: float
    p50_ms: float
    p99_ms: float
    app_us: float
    redis_us: float
    postgres_us: float
    generator_us: float
    generator_late_p99_ms: float
    outcomes: dict[str, int]


class Joins(msgspec.Struct, frozen=True):
    """Medians of the rounds, by what was asked; `ratios` are their CPU of the web process beside an empty request's."""

    rounds: list[list[Cost]]
    app_us: dict[str, float]
    ratios: dict[str, float]
    passed: bool


Make = Callable[[int], bytes]


def measure(stage: Stage, run: Callable[[Stage, str, Make, bool], Cost]) -> Joins:
    """All kinds in turn, some rounds of it. The rates of the guard are off but where they are measured."""
    event, rounds = stage.events[0], []
    unguarded = replace(
        stage.settings, rate_per_address_per_min=0, rate_holds_per_person_per_min=0, rate_holds_in_all_per_s=0
    )
    for _ in range(ROUNDS):
        costs = []
        with _empty(stage) as bare:
            costs.append(run(bare, "empty", _get("/"), False))
        with replace(stage, settings=unguarded).serving(1):
            costs.append(run(stage, "board", _get(f"/api/v1/events/{event}/board"), False))
            costs.append(run(stage, "join", _joining(stage, event), True))
        with stage.serving(1):
            costs.append(run(stage, "join, guarded", _joining(stage, event), True))
        rounds.append(costs)
    return judged(rounds)


def judged(rounds: list[list[Cost]]) -> Joins:
    app_us = {cost.what: _median([one[place].app_us for one in rounds]) for place, cost in enumerate(rounds[0])}
    ratios = {what: us / app_us["empty"] for what, us in app_us.items()}
    passed = ratios["join"] <= BARE_MAX and ratios["join, guarded"] <= GUARDED_MAX and ratios["board"] <= BOARD_MAX
    return Joins(rounds, app_us, ratios, passed)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


async def fire(stage: Stage, what: str, make: Make, joins: bool) -> Cost:
    """One kind of request for some seconds, open loop."""
    warm = list(Schedule.at_rate(RATE_PER_S / 2, WARM_UP_S, seed=1).arrivals())
    arrivals = list(Schedule.at_rate(RATE_PER_S, SECONDS, seed=2).arrivals())
    ready = [make(number) for number in range(len(warm) + len(arrivals))]
    async with Volley(stage.address, CONNECTIONS) as volley:
        await volley.fire(warm, ready.__getitem__, _status)
        begun = cpu.used_s()
        shot = await volley.fire(arrivals, ready[len(warm) :].__getitem__, _status)
        used = cpu.between_s(begun, cpu.used_s())
    count = shot.latency.count
    made = Cost(
        what=what,
        offered_per_s=RATE_PER_S,
        answered_per_s=count / shot.elapsed_s,
        p50_ms=shot.latency.p50_s * 1_000,
        p99_ms=shot.latency.p99_s * 1_000,
        app_us=used["app"] / count * 1e6,
        redis_us=used["redis"] / count * 1e6,
        postgres_us=used["postgres"] / count * 1e6,
        generator_us=used["generator"] / count * 1e6,
        generator_late_p99_ms=shot.lateness.p99_s * 1_000,
        outcomes={name: summary.count for name, summary in shot.outcomes.items()},
    )
    wrong = [name for name in made.outcomes if name != ("201" if joins else "200")]
    assert not wrong, f"{what}: answers that must not be: {made.outcomes}"
    stage.say(told(made))
    return made


def told(cost: Cost) -> str:
    """A measurement in a line."""
    return (
        f"{cost.what}: {cost.answered_per_s:,.0f}/s, p50 {cost.p50_ms:.1f} p99 {cost.p99_ms:.1f} ms, us a request: "
        f"app {cost.app_us:.0f} redis {cost.redis_us:.0f} postgres {cost.postgres_us:.0f} "
        f"generator {cost.generator_us:.0f}"
    )


def _get(path: str) -> Make:
    request = f"GET {path} HTTP/1.1\r\nHost: onsale\r\n\r\n".encode()
    return lambda number: request


def _joining(stage: Stage, event: int) -> Make:
    """Each by a person of its own, from an address of its own."""
    count = round(RATE_PER_S * (SECONDS + WARM_UP_S) * 1.2)
    tokens = stage.sessions(count)

    def make(number: int) -> bytes:
        return (
            f"POST /api/v1/events/{event}/places HTTP/1.1\r\nHost: onsale\r\nAuthorization: Bearer {tokens[number]}\r\n"
            f"X-Forwarded-For: {fan_address(number)}\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    return make


def _status(number: int, status: int, body: bytes) -> str:
    return str(status)


@contextmanager
def _empty(stage: Stage) -> Iterator[Stage]:
    """The server alone, on an address of its own."""
    with ops.listening("127.0.0.1", 0) as listening:
        fd, port = listening.fileno(), listening.getsockname()[1]
        command = [sys.executable, "-m", "onsale.bench.empty", "serve", str(fd)]
        process = subprocess.Popen(command, pass_fds=[fd])
        try:
            yield replace(stage, settings=replace(stage.settings, port=port, public_url=""))
        finally:
            process.terminate()
            process.wait()


async def open_line(stage: Stage) -> None:
    async with stage.house() as house, house.database.transaction() as tx:
        for event in stage.events:
            await house.line.open(tx, ids.shard_of(event))
