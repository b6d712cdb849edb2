"""A crowd buys an event out: the whole way of a fan, thousands of times at once, checked from outside as it happens.

Fans arrive open loop, so a slow system does not slow the crowd down. Besides latencies and outcomes the crowd keeps
its own record of who was told which seat is theirs: two fans with one seat is a contradiction, whatever the database
says.
"""

from collections import Counter

import msgspec
from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from onsale.drop.availability import Availability
from onsale.drop.client import Client, fan_address
from onsale.drop.connection import Failure, RequestFailed
from onsale.drop.drop_limits import CONNECTIONS_MAX, FANS_AT_ONCE_MAX, FANS_DRAIN_S
from onsale.drop.fan import Crowd, Fan, Habits
from onsale.drop.histogram import Summary, summaries
from onsale.drop.load import Report, row, run
from onsale.drop.schedule import Schedule
from onsale.kit import chance


class BuyoutReport(msgspec.Struct, frozen=True):
    """What became of a crowd. `msgspec.json.encode(report)` is its JSON.

    tickets_per_fan   tickets -> how many fans have that many (0 included)
    refused           answers 4xx and 503 by step, status and code: the system said no, politely
    failures          no answer, an unreadable one, or another 5xx: the system failed
    contradictions    promises broken, as the fans saw it (the first 50 in full); contradicted counts them all
    steps             latency of every single request by step, each try, from when the fan sent it; and of the whole way
    arrivals          the fans as pieces of work: how punctual the generator was, and whether it was the limit
    """

    event: int
    seed: int
    buyers: int
    seats: int
    free: int
    held: int
    sold: int
    sold_out: bool
    tickets: int
    tickets_per_s: float
    tickets_per_fan: dict[int, int]
    outcomes: dict[str, int]
    refused: dict[str, int]
    failures: dict[str, int]
    retries: int
    contradicted: int
    contradictions: list[str]
    steps: dict[str, Summary]
    arrivals: Report

    @property
    def good(self) -> bool:
        """No promise broken and no failure. Refusals are no fault."""
        return not self.contradicted and not self.failures and not self.arrivals.unfinished

    def table(self) -> Group:
        """For people."""
        steps = Table(title=f"Event {self.event}: {self.tickets:,} tickets to {self.buyers:,} fans, seed {self.seed}")
        steps.add_column("ms")
        for column in ("count", "mean", "p50", "p90", "p99", "p99.9", "max"):
            steps.add_column(column, justify="right")
        for name, summary in self.steps.items():
            steps.add_row(*row(name, summary))
        counts = Table(show_header=False, box=None)
        for title, named in (
            ("outcome", self.outcomes),
            ("refused", self.refused),
            ("FAILED", self.failures),
        ):
            for name, count in named.items():
                counts.add_row(title, name, f"{count:,}")
        for tickets, fans in self.tickets_per_fan.items():
            counts.add_row("fans with", f"{tickets} tickets", f"{fans:,}")
        seats = f"{self.sold:,} sold, {self.held:,} held, {self.free:,} free of {self.seats:,} seats"
        state = f"{seats}{', sold out' if self.sold_out else ''}; {self.retries:,} retries. {self.arrivals.verdict}"
        broken = [Text(text, style="bold red") for text in self.contradictions]
        return Group(steps, counts, Text(state), *broken)


async def buy_out(
    base_url: str,
    event_id: int,
    buyers: int,
    seed: int | None = None,
    *,
    over_s: float | None = None,
    at_once_max: int = FANS_AT_ONCE_MAX,
    connections_max: int = CONNECTIONS_MAX,
    habits: Habits | None = None,
    console: Console | None = None,
) -> BuyoutReport:
    """Let `buyers` fans come within `over_s` seconds (default: 100 a second) and buy what they can.

    The same seed makes the same crowd; None draws one, and the report tells it. A console is shown the progress.
    Ends when every fan is done; once one has seen that nothing is free or held, those who come later leave at once.
    Raises RequestFailed when the event cannot be read before or after.
    """
    seed = chance.fresh_seed() if seed is None else seed
    schedule = Schedule.crowd(buyers, over_s or buyers / 100, seed)
    async with Client(base_url, connections_max=connections_max) as client:
        await _availability(client, event_id)
        crowd = Crowd(client, event_id, seed, habits or Habits())
        with _Shown(console, crowd, buyers) as shown:
            arrivals = await run(
                schedule,
                lambda number: Fan(crowd, number).go(),
                in_flight_max=at_once_max,
                drain_s=FANS_DRAIN_S,
                on_end=shown.ended,
            )
        return _report(crowd, buyers, arrivals, await _availability(client, event_id))


async def _availability(client: Client, event_id: int) -> Availability:
    """The map as somebody sees it who does not buy."""
    headers = [("X-Forwarded-For", fan_address(-1))]
    response = await client.get(f"/api/v1/events/{event_id}/availability", headers)
    if response.status != 200:
        raise RequestFailed(Failure.MALFORMED, f"the availability of event {event_id} was answered {response.status}")
    try:
        return Availability.parse(response.body)
    except ValueError as error:
        raise RequestFailed(Failure.MALFORMED, str(error)) from error


class _Shown:
    """The crowd's progress on a console; nothing without one."""

    def __init__(self, console: Console | None, crowd: Crowd, buyers: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=console is None)
        self._fans = self._progress.add_task("fans done", total=buyers)
        self._tickets = self._progress.add_task("tickets", total=None)
        self._crowd = crowd

    def __enter__(self) -> "_Shown":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def ended(self, outcome: str) -> None:
        self._progress.advance(self._fans)
        if outcome == "confirmed":
            self._progress.update(self._tickets, completed=self._crowd.tickets.total())


def _report(crowd: Crowd, buyers: int, arrivals: Report, after: Availability) -> BuyoutReport:
    free, held, sold, _ = after.counts()
    per_fan = Counter(crowd.tickets.values())
    per_fan[0] = buyers - len(crowd.tickets)
    tickets = crowd.tickets.total()
    return BuyoutReport(
        event=crowd.event_id,
        seed=crowd.seed,
        buyers=buyers,
        seats=after.seats,
        free=free,
        held=held,
        sold=sold,
        sold_out=not free and not held,
        tickets=tickets,
        tickets_per_s=tickets / arrivals.elapsed_s if arrivals.elapsed_s else 0.0,
        tickets_per_fan=dict(sorted(per_fan.items())),
        outcomes={name: summary.count for name, summary in arrivals.outcomes.items()},
        refused=dict(crowd.refused.most_common()),
        failures=dict(crowd.failures.most_common()),
        retries=crowd.retries,
        contradicted=crowd.contradicted,
        contradictions=crowd.contradictions,
        steps=summaries(crowd.steps),
        arrivals=arrivals,
    )
