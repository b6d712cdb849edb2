"""`onsale bench soak`: millions of attempts while processes die, servers crash and caches vanish; then the evidence."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
from rich.progress import Progress, TaskID

from onsale import drop, limits
from onsale.bench.attempts import GROUP_MAX, HELD, SHED, TAKEN, hold_request
from onsale.bench.evidence import Answers, Evidence, HoldRow, judge
from onsale.bench.faults import Faults, Struck
from onsale.bench.stage import Stage
from onsale.drop import Schedule, Shot, Verdict, Volley
from onsale.inventory import HOLD_PREFIX
from onsale.kit import chance, clock, db, ids, tasks
from onsale.kit.supervise import Supervisor

SQL = db.load(__package__, "looks.sql")

CONNECTIONS = 512
# Holds run out while the soak goes on, so that every seat is taken and comes back again and again.
HOLD_S = 10
# So many people that nobody asks again while a hold of theirs may live.
REST_S = 3 * HOLD_S
ROWS_AT_A_TIME = 20_000
# The last holds have run out, been swept, and been told everywhere.
SETTLE_S = HOLD_S + 5.0

_ID = re.compile(rb'"id":"(hld_[0-9a-z]+)"')
_TAKEN = re.compile(rb'"taken":\[(\d+)')


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
    evidence: Evidence
    referee_broken: list[str]
    passed: bool


class _Fans:
    """Who asks for what, and what they heard."""

    def __init__(self, stage: Stage, attempts: int, rate: float, seed: int) -> None:
        self._stage = stage
        self._draw = chance.seeded(seed)
        self._tokens = stage.sessions(min(attempts, round(rate * REST_S)))
        self._under_way: dict[int, tuple[int, range, float]] = {}
        self.answers = Answers()
        self.last_s = clock.monotonic()
        self.longest_gap_s = 0.0
        self.done = 0

    def request(self, number: int) -> bytes:
        event = self._draw.choice(self._stage.events)
        first = self._draw.randrange(self._stage.seats - GROUP_MAX)
        seats = range(first, first + self._draw.randint(1, GROUP_MAX))
        self._under_way[number] = event, seats, clock.utcnow().timestamp()
        person = number % len(self._tokens)
        return hold_request(event, seats, self._tokens[person], person)

    def judge(self, number: int, status: int, body: bytes) -> str:
        event, seats, sent_s = self._under_way.pop(number)
        now_s = clock.monotonic()
        self.longest_gap_s = max(self.longest_gap_s, now_s - self.last_s)
        self.last_s = now_s
        self.done += 1
        if status == 201 and (found := _ID.search(body)):
            self.answers.held(ids.parse(HOLD_PREFIX, found[1].decode())[1], seats)
            return HELD
        if status == 409 and (taken := _TAKEN.search(body)):
            self.answers.refused(event, int(taken[1]), sent_s, clock.utcnow().timestamp())
            return TAKEN
        return SHED if status == 503 else f"http {status}"


async def run(
    stage: Stage, supervisor: Supervisor, attempts: int, rate: float, seed: int, every_s: float, bar: Progress
) -> Soak:
    """The attempts, the faults beside them, and what the tables and the referee say afterwards."""
    fans = _Fans(stage, attempts, rate, seed)
    faults = Faults(stage, supervisor, seed, every_s, [])
    task = bar.add_task("attempts", total=attempts)
    async with AsyncExitStack() as stack:
        volley = await stack.enter_async_context(Volley(stage.address, CONNECTIONS))
        schedule = Schedule(((0.0, rate), (attempts / rate, rate)), seed, count=attempts)
        ends_s = clock.monotonic() + schedule.duration_s
        striking = tasks.spawn(faults.run(partial(_before, ends_s)), name="faults")
        showing = tasks.spawn(_show(bar, task, fans), name="progress")
        fans.last_s = clock.monotonic()
        shot = await volley.fire(schedule.arrivals(), fans.request, fans.judge)
        await tasks.cancel(showing)
        await striking
    bar.update(task, completed=attempts)
    await clock.sleep(SETTLE_S)
    return await _judged(stage, fans, faults.struck, shot, rate, seed)


def _before(ends_s: float) -> bool:
    return clock.monotonic() < ends_s


async def _show(bar: Progress, task: TaskID, fans: _Fans) -> None:
    while True:
        bar.update(task, completed=fans.done)
        await clock.sleep(0.5)


async def _judged(stage: Stage, fans: _Fans, struck: Sequence[Struck], shot: Shot, rate: float, seed: int) -> Soak:
    stage.say("Looking at the evidence")
    rows = [row async for row in _hold_rows(stage)]
    rows.sort(key=lambda row: row.begins_s)
    evidence = judge(fans.answers, rows, [fault.at_s for fault in struck])
    verdict: Verdict = await drop.referee(stage.settings.database_url)
    broken = [check.name for check in verdict.broken]
    others = [name for name in shot.outcomes if name.startswith("http")]
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
        referee_broken=broken,
        passed=evidence.good and verdict.good and not others,
    )


async def _hold_rows(stage: Stage) -> AsyncIterator[HoldRow]:
    """Every hold of the run, some thousand at a time."""
    async with stage.house() as house:
        shard_id = hold_id = 0
        while True:
            async with house.database.reading() as tx:
                named = {
                    "shard_id": shard_id, "hold_id": hold_id, "rows_max": ROWS_AT_A_TIME,
                    "extension_s": limits.HOLD_EXTENSION_MAX_S,
                }  # fmt: skip
                rows = await (await tx.execute(SQL.holds_after, named)).fetchall()
            for shard_id, hold_id, seats, begins_s, ends_s in rows:
                yield HoldRow(hold_id, ids.event_of(ids.ShardId(shard_id)), tuple(seats), begins_s, ends_s)
            if len(rows) < ROWS_AT_A_TIME:
                return
