"""The command line: up, serve, work, gateway, migrate, seed, import, chart, drop, bench, audit, grant, doctor."""

import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from onsale import app as composition
from onsale import config, drop, ops
from onsale.accounts import Role as PersonRole
from onsale.bench import StageError
from onsale.bench import app as bench_app
from onsale.catalog import TICKIT_FILES, BadTickit, Season, demo_season, encode_chart, generate_chart, read_tickit
from onsale.checkout import run_sandbox
from onsale.kit import capacity, chance, clock, serving, telemetry
from onsale.kit.embedded import EmbeddedError
from onsale.kit.migrate import MigrationError, migrate
from onsale.kit.problems import Problem
from onsale.kit.supervise import Supervisor
from onsale.mount import Role

app = typer.Typer(
    name="onsale", help="Sells the seats of popular events, each once.", no_args_is_help=True, add_completion=False
)
chart_app = typer.Typer(help="Seating charts.", no_args_is_help=True)
app.add_typer(chart_app, name="chart")
app.add_typer(bench_app, name="bench")

console = Console(stderr=True)


class ChartKind(StrEnum):
    STADIUM = "stadium"
    ARENA = "arena"
    THEATRE = "theatre"
    CLUB = "club"


Fd = Annotated[int | None, typer.Option(help="Serve on this inherited listening socket.")]


@app.command()
def up() -> None:
    """Run all of onsale on this machine, with embedded servers where none are set. Ctrl-C stops it."""
    settings = _settings()
    capacity.raise_open_files()
    with ops.machine(settings) as machine:
        migrate(machine.settings.database_url)
        if settings.embedded_database:
            uvloop.run(_seed_if_empty(machine.settings))
        address = machine.settings.base_url
        supervisor = Supervisor(machine.commands(), console.print, tend=machine.tend, bury=machine.bury)
        console.print(f"\n[bold]onsale[/bold] serves on [bold]{address}[/bold]\n")
        console.print(f"  Buy a ticket     {address}/   (any e-mail address, and the test card)", soft_wrap=True)
        if machine.settings.mailbox_page:
            console.print(f"  Read its e-mail  {address}/dev/mailbox")
        console.print(f"  The API          {address}/docs\n\nCtrl-C stops it; what was sold is kept.\n")
        for finding in ops.warnings(machine.settings):
            console.print(f"[yellow]{finding.what} {finding.words}[/yellow]\n  {finding.advice}\n", soft_wrap=True)
        supervisor.run()
        console.print("Stopped.")


@app.command()
def serve(role: Role = Role.ALL, fd: Fd = None) -> None:
    """Serve one role over HTTP: gate, shop, or all."""
    settings = _settings()
    capacity.raise_open_files()
    with _listening(settings.host, settings.port, fd) as listening, ops.servers_for(settings) as ready:
        web = composition.web(composition.build(ready), role)
        server = serving.server(web)
        capacity.settle_memory()
        with suppress(_Told):
            server.run(sockets=[listening])
        if not server.started:
            raise typer.Exit(1)


@app.command()
def work(
    until_empty: Annotated[bool, typer.Option(help="End when no job is left, instead of waiting for more.")] = False,
) -> None:
    """Run a worker: jobs, the end of holds, payments that need an end."""
    with ops.servers_for(_settings()) as settings:
        composition.run_worker(settings, until_empty=until_empty)


@app.command()
def gateway(port: int = 8001, fd: Fd = None) -> None:
    """Run the sandbox payment gateway, a server of its own."""
    settings = _settings()
    book = ops.data_folder(settings) / "sandbox.sqlite"
    with _listening("127.0.0.1", port, fd) as listening, suppress(_Told):
        run_sandbox(book, fd=listening.fileno())


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database up to date."""
    with ops.servers_for(_settings()) as settings:
        applied = migrate(settings.database_url)
    console.print(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")


@app.command()
def seed() -> None:
    """Fill the database with a small demo season."""
    with ops.servers_for(_settings()) as settings:
        migrate(settings.database_url)
        uvloop.run(_plant(settings, demo_season(clock.utcnow())))


@app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help=f"Holds {', '.join(TICKIT_FILES)}.")],
    on_sale: Annotated[int, typer.Option(help="Lay down the seats of so many events; a seat is a row.")] = 10,
) -> None:
    """Import venues and events from the pipe-separated files of the TICKIT sample."""
    try:
        season = read_tickit({name: (folder / name).read_text() for name in TICKIT_FILES}, clock.utcnow())
    except OSError as error:
        _fail(f"{error.filename} cannot be read: {error.strerror}")
    except (BadTickit, UnicodeDecodeError) as error:
        _fail(str(error))
    with ops.servers_for(_settings()) as settings:
        migrate(settings.database_url)
        uvloop.run(_plant(settings, season, on_sale))


@chart_app.command("generate")
def chart_generate(
    kind: Annotated[ChartKind, typer.Argument(help="What kind of venue.")],
    seats: Annotated[int, typer.Argument(help="How many, exactly.")],
    name: str = "A venue",
    chart_seed: Annotated[int | None, typer.Option("--seed", help="The same seed draws the same chart.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file instead of standard output.")] = None,
) -> None:
    """Draw a believable seating chart of a given capacity, in wire form."""
    drawn_with = chance.fresh_seed() if chart_seed is None else chart_seed
    try:
        body = encode_chart(generate_chart(kind.value, seats, name, seed=drawn_with))
    except ValueError as error:
        _fail(str(error))
    if out is None:
        sys.stdout.write(body.decode() + "\n")
    else:
        _write(out, body)
    console.print(f"{seats} seats, {len(body)} bytes, seed {drawn_with}")


@app.command("drop")
def drop_command(
    url: Annotated[str, typer.Option(help="The running onsale.")],
    event: Annotated[int, typer.Option(help="The event to buy out.")],
    buyers: int = 2_000,
    over_s: Annotated[float | None, typer.Option(help="They come within so many seconds.")] = None,
    crowd_seed: Annotated[int | None, typer.Option("--seed", help="The same seed makes the same crowd.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report here, too.")] = None,
) -> None:
    """Let a crowd of fans buy out an event, then let the referee look at the books."""
    with ops.servers_for(_settings()) as settings:
        report, verdict = uvloop.run(_drop(settings, url, event, buyers, over_s, crowd_seed))
    console.print(report.table())
    console.print(verdict.table())
    if json is not None:
        json.write_bytes(msgspec.json.encode({"crowd": report, "referee": verdict}))
    raise typer.Exit(0 if report.good and verdict.good else 1)


async def _drop(
    settings: config.Settings, url: str, event: int, buyers: int, over_s: float | None, crowd_seed: int | None
) -> tuple[drop.BuyoutReport, drop.Verdict]:
    report = await drop.buy_out(url, event, buyers, crowd_seed, over_s=over_s, console=console)
    verdict = await drop.referee(settings.database_url, settings.gateway_url or None, settings.gateway_key)
    return report, verdict


@app.command()
def audit() -> None:
    """Check every invariant in the database, and the gateway's book where its address is set. Changes nothing."""
    with ops.servers_for(_settings()) as settings:
        book = settings.gateway_url or None
        verdict = uvloop.run(drop.referee(settings.database_url, book, settings.gateway_key))
    console.print(verdict.table())
    raise typer.Exit(0 if verdict.good else 1)


@app.command()
def grant(
    email: str,
    role: Annotated[str, typer.Argument(help="fan, organiser or operator")],
    organiser: Annotated[str | None, typer.Option(help="Let them act for this organiser, made if need be.")] = None,
    take_away: Annotated[bool, typer.Option(help="Take the role away instead.")] = False,
) -> None:
    """Give a role to the person with this e-mail address, or take it away."""

    async def give(settings: config.Settings) -> None:
        async with _house(settings) as house:
            if take_away:
                left = await house.accounts.withdraw(email, wanted)
                account = left or _fail(f"{email} has no account")
            else:
                account = await house.accounts.grant(email, wanted)
                if organiser is not None:
                    await house.catalog.add_member(await ops.organiser_named(house.catalog, organiser), account.person)
        console.print(f"{account.email} is now {', '.join(sorted(account.roles)) or 'without a role'}.")

    try:
        wanted = PersonRole(role)
    except ValueError:
        _fail(f"{role!r} is not a role: fan, organiser or operator")
    with ops.servers_for(_settings()) as settings:
        uvloop.run(give(settings))


@app.command()
def doctor() -> None:
    """List all settings, look at what onsale needs, and say what is wrong and what to do."""
    settings = _settings()
    table = Table("Setting", "Value", "Meaning", title="Settings", expand=False)
    for row in ops.settings_table(settings):
        table.add_row(*row)
    console.print(table)
    found = uvloop.run(ops.examine(settings))
    for finding in found:
        mark = "[green]ok[/green]   " if finding.well else "[red]wrong[/red]"
        console.print(f"{mark} {finding.what}: {finding.words}")
        if finding.advice:
            console.print(f"      {finding.advice}")
    raise typer.Exit(0 if all(finding.well for finding in found) else 1)


@asynccontextmanager
async def _house(settings: config.Settings) -> AsyncIterator[composition.House]:
    house = composition.build(settings)
    async with house.open():
        yield house


async def _seed_if_empty(settings: config.Settings) -> None:
    """Also goes on with a seed that was interrupted: `onsale up` ended while it was planting."""
    mark = ops.SeedMark(settings.data_dir)
    async with _house(settings) as house:
        wanted = bool(mark) or await house.catalog.is_empty()
    if wanted:
        mark.begin()
        await _plant(settings, demo_season(clock.utcnow()))
        mark.end()


async def _plant(settings: config.Settings, season: Season, on_sale_max: int | None = None) -> None:
    async with _house(settings) as house:
        with Progress(console=console, transient=True) as progress:
            bars: dict[str, TaskID] = {}

            def show(what: str, done: int, of: int) -> None:
                if what not in bars:
                    bars[what] = progress.add_task(what, total=of)
                progress.update(bars[what], completed=done)

            report = await ops.seed(house.catalog, house.sales, season, show, on_sale_max)
    console.print(f"Seeded {report.events} events at {report.venues} venues, {report.seats:,} seats on sale.")


@contextmanager
def _listening(host: str, port: int, fd: int | None) -> Iterator[socket.socket]:
    """The inherited socket, or one of our own on that address."""
    if fd is None:
        with ops.listening(host, port) as made:
            yield made
    else:
        with socket.socket(fileno=fd) as given:
            yield given


def _write(path: Path, body: bytes) -> None:
    try:
        path.write_bytes(body)
    except OSError as error:
        _fail(f"{path} cannot be written: {error.strerror}")


def _settings() -> config.Settings:
    settings = config.read()
    ops.check(settings)
    telemetry.configure(settings.log_level, settings.log_format)
    return settings


def _fail(message: str) -> NoReturn:
    console.print(f"[red]{message}[/red]", highlight=False)
    raise typer.Exit(1)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What a person can mend is said in a line; a stack trace is for bugs."""
    try:
        yield
    except config.BadSetting as error:
        _end("bad_setting", str(error))
    except (ops.MachineError, EmbeddedError) as error:
        _end(error.code, str(error))
    except StageError as error:
        _end("cannot_measure", str(error))
    except MigrationError as error:
        _end("migration_changed", str(error))
    except Problem as error:
        _end(error.code, error.detail)
    except drop.RequestFailed as error:
        _end("request_failed", str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _end(code: str, message: str) -> NoReturn:
    console.print(f"[red]{message}[/red] ({code})", highlight=False, soft_wrap=True)
    raise SystemExit(1)


class _Told(SystemExit):
    """SIGTERM, as an exception: what was opened is closed on the way out, embedded servers too."""


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    raise _Told(128 + number)


def main() -> None:
    """Where the `onsale` script begins."""
    # uvicorn finishes what has begun and then sends itself the signal again, which would end us on the spot.
    signal.signal(signal.SIGTERM, _on_sigterm)
    with _plain_errors():
        app()
