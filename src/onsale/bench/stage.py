"""A house set up to be measured: real servers on a folder of their own, real processes, seats on sale.

Nothing here is faster than in the product: the same commands, the same settings of PostgreSQL (where one of those is
off that make a commit a commit, a bench refuses), real sessions. Only the browser's part, getting one, is done before.
"""

import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import uvloop

from onsale import app as composition
from onsale import config, drop, ops
from onsale.catalog import NewEvent, NewTier, NewVenue, generate_chart
from onsale.kit import clock, db, ids
from onsale.kit.ids import PersonKey
from onsale.kit.migrate import migrate
from onsale.kit.supervise import Command, Supervisor

SQL = db.load(__package__, "looks.sql")

READY_WITHIN_S = 60.0
READY_LOOK_S = 0.1
# PostgreSQL looks for what to vacuum every 10 s; so long nothing must be at work.
QUIET_LOOK_S = 1.0
QUIET_LOOKS = 13
# A port on which nobody listens: what the house does without Redis.
NO_REDIS = "redis://127.0.0.1:1/0"
BASELINES = Path("bench/serve.py")

Say = Callable[[str], None]


class StageError(Exception):
    """Why nothing can be measured here."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Servers with events on sale, and nobody to serve them yet."""

    settings: config.Settings
    machine: ops.Machine
    events: Sequence[int]
    seats: int
    durability: dict[str, str]
    say: Say

    @property
    def address(self) -> str:
        return self.settings.base_url

    def guests(self, count: int) -> list[tuple[str, PersonKey]]:
        """So many guests, each a person of their own: their tokens, and who they are."""
        accounts = composition.build(self.settings).accounts
        made = (accounts.guest_session() for _ in range(count))
        return [(token, shopper.person) for token, shopper in made]

    def sessions(self, count: int) -> list[str]:
        """Their tokens alone."""
        return [token for token, _ in self.guests(count)]

    @asynccontextmanager
    async def house(self) -> AsyncIterator[composition.House]:
        """The house in this process, for preparing and for looking."""
        house = composition.build(self.settings)
        async with house.open():
            yield house

    @contextmanager
    def serving(self, web_processes: int = 1, *, variant: str = "") -> Iterator[Supervisor]:
        """Run the worker and so many web processes. `variant`: a baseline of `bench/`, or `no_redis`."""
        settings = replace(self.settings, web_processes=web_processes)
        if variant == "no_redis":
            settings = replace(settings, redis_url=NO_REDIS)
        commands = [_variant(command, variant) for command in replace(self.machine, settings=settings).commands()]
        supervisor = Supervisor(commands, self.say, tend=self.machine.tend)
        thread = threading.Thread(target=supervisor.run, kwargs={"hear_signals": False}, name="supervisor")
        thread.start()
        try:
            uvloop.run(_await_ready(self.address))
            yield supervisor
        finally:
            supervisor.stop()
            thread.join()


@contextmanager
def stage(seats: int, events: int, *, say: Say, hold_s: int = 600) -> Iterator[Stage]:
    """Servers in a folder that is deleted at the end, and so many events of so many seats on sale."""
    folder = Path(tempfile.mkdtemp(prefix="onsale-bench-"))
    # The generator is a proxy that gives each fan an address of their own.
    wanted = replace(
        config.read(), data_dir=folder, port=0, trusted_proxies="127.0.0.1", log_level="warning",
        database_url="", redis_url="", gateway_url="",
    )  # fmt: skip
    try:
        with ops.machine(wanted) as machine:
            migrate(machine.settings.database_url)
            say(f"Laying down {events} x {seats:,} seats")
            made, durability = uvloop.run(_prepare(machine.settings, seats, events, hold_s))
            yield Stage(machine.settings, machine, made, seats, durability, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def held_seats(house: composition.House, event: int) -> int:
    """How many seats somebody has in hand, as the table says."""
    async with house.database.transaction() as tx:
        row = await (await tx.execute(SQL.held_seats, {"shard_id": ids.shard_of(event)})).fetchone()
    assert row is not None
    return int(row[0])


async def settled(stage: Stage) -> None:
    """Wait until PostgreSQL has looked after the tables that were just filled: it must not do so at anybody's cost."""
    async with stage.house() as house:
        quiet_looks = 0
        while quiet_looks < QUIET_LOOKS:
            await clock.sleep(QUIET_LOOK_S)
            async with house.database.transaction() as tx:
                row = await (await tx.execute(SQL.vacuum_at_work)).fetchone()
            quiet_looks = 0 if row and row[0] else quiet_looks + 1


def need_baselines() -> None:
    """Raises StageError where they are not."""
    if not BASELINES.exists():
        raise StageError("The baselines are in the folder bench/ of a checkout: run this there.")


def _variant(command: Command, variant: str) -> Command:
    """The web processes' command with another way to take seats, from the folder `bench/` of the checkout."""
    if variant in ("", "no_redis") or not command.name.startswith("web"):
        return command
    need_baselines()
    python, _, _, *words = command.argv
    return replace(command, argv=[python, "-m", "bench.serve", variant, *words])


async def _await_ready(address: str) -> None:
    deadline_s = clock.monotonic() + READY_WITHIN_S
    async with drop.Client(address) as client:
        while clock.monotonic() < deadline_s:
            try:
                if (await client.get("/readyz")).status == 200:
                    return
            except drop.RequestFailed:
                pass
            await clock.sleep(READY_LOOK_S)
    raise StageError("the web processes did not get ready")


async def _prepare(settings: config.Settings, seats: int, events: int, hold_s: int) -> tuple[list[int], dict[str, str]]:
    house = composition.build(settings)
    async with house.open():
        made = await _lay_down(house, seats, events, hold_s)
        async with house.database.transaction() as tx:
            durability = dict(await (await tx.execute(SQL.durability)).fetchall())
    if off := [name for name, value in durability.items() if value != "on"]:
        raise StageError(f"{', '.join(off)} is off: nothing measured like this is worth anything")
    return made, durability


async def _lay_down(house: composition.House, seats: int, events: int, hold_s: int) -> list[int]:
    """One stadium, one price, so many nights."""
    catalog, now = house.catalog, clock.utcnow().replace(microsecond=0)
    organiser = await ops.organiser_named(catalog, "Bench")
    place = NewVenue(name="The bench", city="Utrecht", country="NL", timezone="Europe/Amsterdam")
    venue = await catalog.create_venue(place)
    chart = generate_chart("stadium", seats, place.name, seed=1)
    chart_hash = await catalog.add_chart(venue, chart)
    tier = NewTier(name="All", zones=tuple(range(len(chart.zones))), face_minor=4_500, fee_minor=500, colour="#0072b2")
    made = []
    for number in range(events):
        night = now + timedelta(days=30 + number)
        event = NewEvent(
            organiser_id=organiser, venue_id=venue, chart_hash=chart_hash, genre="Pop", title=f"Night {number + 1}",
            starts_at=night, doors_at=night - timedelta(hours=1), ends_at=night + timedelta(hours=3),
            opens_at=now - timedelta(days=1), closes_at=night - timedelta(days=1), currency="EUR", tiers=(tier,),
            hold_s=hold_s,
        )  # fmt: skip
        made.append(await catalog.create_event(event))
        await house.sales.put_on_sale(made[-1])
    return made
