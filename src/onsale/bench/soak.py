"""`onsale bench soak`: millions of attempts while processes die, servers crash and caches vanish; then the evidence.

What every client was answered is held against the tables by the drop's witness, and the tables by its referee.
"""

import re
from collections.abc import Sequence

import msgspec
from rich.progress import Progress, TaskID

from onsale import drop
from onsale.bench.attempts import GROUP_MAX, HELD, SHED, TAKEN, hold_request
from onsale.bench.faults import Faults, Struck
from onsale.bench.stage import Stage
from onsale.drop import AnswerLog, Heard, Judgement, Schedule, Shot, Verb, Verdict, Volley
from onsale.inventory import HOLD_PREFIX
from onsale.kit import chance, clock, ids, tasks
from onsale.kit.supervise import Supervisor

CONNECTIONS = 512
# Holds run out while the soak goes on, so that every seat is taken and comes back again and again.
HOLD_S = 10
# So many people that nobody asks again while a hold of theirs may live.
REST_S = 3 * HOLD_S
# The last holds have run out, been swept, and been told everywhere.
SETTLE_S = HOLD_S + 5.0
# How long after a fault the house may still be finding its feet: a restart, and what waited for it.
ECHO_S = 10.0

_ID = re.compile(rb'"id":"(hld_[0-9a-z]+)"')


class Soak(msgspec.Struct, frozen=True):
    """What became of it. `longest_gap_s`: the longest time without any answer."""

    seed: int
    attempts: int
    rate: float
    outcomes: dict[str, int]
    p50_ms: float
    p99_ms: float
    longest_gap_s: float
    faults: list[Struck]
    evidence: Judgement
    referee_broken: list[str]
    passed: bool


class _Fans:
    """Who asks for what, and what they heard."""

    def __init__(self, stage: Stage, attempts: int, rate: float, seed: int) -> None:
        self._stage = stage
        self._draw = chance.seeded(seed)
        self._guests = stage.guests(min(attempts, round(rate * REST_S)))
        self._under_way: dict[int, tuple[range, int]] = {}
        self.log = AnswerLog()
        self.last_s = clock.monotonic()
        self.longest_gap_s = 0.0

    def request(self, number: int) -> bytes:
        [event] = self._stage.events
        first = self._draw.randrange(self._stage.seats - GROUP_MAX)
        seats = range(first, first + self._draw.randint(1, GROUP_MAX))
        self._under_way[number] = seats, _now_us()
        place = number % len(self._guests)
        return hold_request(event, seats, self._guests[place][0], place)

    def judge(self, number: int, status: int, body: bytes) -> str:
        now_s = clock.monotonic()
        self.longest_gap_s = max(self.longest_gap_s, now_s - self.last_s)
        self.last_s = now_s
        if status == 201 and (found := _ID.search(body)):
            self._heard(number, Heard.DONE, ids.parse(HOLD_PREFIX, found[1].decode())[1])
            return HELD
        if status == 409 and b'"seats_taken"' in body:
            self._heard(number, Heard.TAKEN)
            return TAKEN
        self._heard(number, Heard.UNKNOWN if status >= 500 else Heard.REFUSED)
        return SHED if status == 503 else f"http {status}"

    def unheard(self) -> None:
        """Who got no answer does not know whether it was done."""
        for number in list(self._under_way):
            self._heard(number, Heard.UNKNOWN)

    def _heard(self, number: int, heard: Heard, hold_id: int = 0) -> None:
        seats, sent_us = self._under_way.pop(number)
        person = self._guests[number % len(self._guests)][1]
        self.log.add(sent_us, _now_us(), person, Verb.HOLD, heard, seats=seats, hold_id=hold_id)


def _now_us() -> int:
    return int(clock.utcnow().timestamp() * 1e6)


async def run(
    stage: Stage, supervisor: Supervisor, attempts: int, rate: float, seed: int, every_s: float, bar: Progress
) -> Soak:
    """The attempts, the faults beside them, and what the witness and the referee say afterwards."""
    fans = _Fans(stage, attempts, rate, seed)
    faults = Faults(stage, supervisor, seed, every_s, [])
    task = bar.add_task("attempts", total=attempts)
    schedule = Schedule(((0.0, rate), (attempts / rate, rate)), seed, count=attempts)
    async with Volley(stage.address, CONNECTIONS) as volley:
        ends_s = clock.monotonic() + schedule.duration_s
        striking = tasks.spawn(faults.run(lambda: clock.monotonic() < ends_s), name="faults")
        showing = tasks.spawn(_show(bar, task, fans), name="progress")
        fans.last_s = clock.monotonic()
        shot = await volley.fire(schedule.arrivals(), fans.request, fans.judge)
        await tasks.cancel(showing)
        await striking
    fans.unheard()
    bar.update(task, completed=attempts)
    await clock.sleep(SETTLE_S)
    return await _judged(stage, fans, faults.struck, shot, rate, seed)


async def _show(bar: Progress, task: TaskID, fans: _Fans) -> None:
    while True:
        bar.update(task, completed=len(fans.log))
        await clock.sleep(0.5)


async def _judged(stage: Stage, fans: _Fans, struck: Sequence[Struck], shot: Shot, rate: float, seed: int) -> Soak:
    stage.say("Looking at the evidence")
    [event] = stage.events
    around = [(int(fault.at_s * 1e6), int((fault.at_s + ECHO_S) * 1e6)) for fault in struck]
    windows = [*around, *drop.slow_changes(fans.log)]
    evidence = await drop.witness(stage.settings.database_url, ids.shard_of(event), fans.log, windows)
    verdict: Verdict = await drop.referee(stage.settings.database_url)
    others = [name for name in shot.outcomes if name.startswith("http") or name == "unanswered"]
    return Soak(
        seed=seed,
        attempts=shot.offered,
        rate=rate,
        outcomes={name: summary.count for name, summary in shot.outcomes.items()},
        p50_ms=shot.latency.p50_s * 1_000,
        p99_ms=shot.latency.p99_s * 1_000,
        longest_gap_s=fans.longest_gap_s,
        faults=list(struck),
        evidence=evidence,
        referee_broken=[check.name for check in verdict.broken],
        passed=evidence.good and verdict.good and not others,
    )
