"""The commands `onsale bench ...`. Each sets up a house of its own in a folder that is deleted at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import Progress

from onsale.bench import holds, hot, joins, report, soak, storage
from onsale.bench.attempts import Mix
from onsale.bench.in_process import InProcess, compare
from onsale.bench.stage import Stage, need_baselines, settled, stage
from onsale.kit import capacity, chance

app = typer.Typer(help="Measure this machine with a house of its own.", no_args_is_help=True)
console = Console(stderr=True)

Out = Annotated[Path, typer.Option(help="Folder for the JSON and the plots.")]
Web = Annotated[int, typer.Option(help="Web processes.")]

# How many attempts a second a ladder begins with: well below what each of them can do.
START_PER_S = {"": 6_000.0, "no_redis": 5_000.0, "for_update": 500.0, "compare_and_swap": 500.0, "redis_lock": 400.0}
BASELINES = ("for_update", "compare_and_swap", "redis_lock")
# Events a ladder may use up: one a step, a second try among them, and those at 70 %.
EVENTS_MAX = 8 + holds.TRIES


def _say(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


@app.command("holds")
def holds_command(
    web: Web = 2,
    seats: int = 100_000,
    baselines: Annotated[bool, typer.Option(help="Other ways to take seats, too (in a checkout).")] = False,
    out: Out = Path("bench-results"),
) -> None:
    """How many attempts a second to hold seats, how fast, and what each costs: all-free, half-taken, all-taken."""
    if baselines:
        need_baselines()
    variants = ["", "no_redis", *(BASELINES if baselines else ())]
    mixes = {variant: tuple(Mix) if variant == "" else (Mix.FREE, Mix.HALF) for variant in variants}
    wanted = sum(len(some) for some in mixes.values()) * EVENTS_MAX + 3
    with stage(seats, wanted, say=_say) as made:
        events, ladders = iter(made.events), []
        uvloop.run(settled(made))
        idle = None
        for variant in variants:
            with made.serving(web, variant=variant):
                if variant == "":
                    idle = uvloop.run(holds.idle(made, next(events)))
                for mix in mixes[variant]:
                    some = [next(events) for _ in range(EVENTS_MAX)]
                    ladders.append(uvloop.run(holds.climb(made, some, variant, mix, web, START_PER_S[variant])))
        inside = compare(made, (next(events), next(events))) if baselines else None
        _tell_holds(made, out, idle, ladders, inside)


def _tell_holds(
    made: Stage, out: Path, idle: holds.Idle | None, ladders: Sequence[holds.Ladder], inside: InProcess | None
) -> None:
    assert idle is not None
    runs = [step for ladder in ladders for step in ladder.steps]
    best = [run for ladder in ladders for run in (ladder.most, ladder.at_70) if run is not None]
    console.print(report.runs_table("The best rate of each, and 70 % of it", best))
    above = f"a single hold takes {idle.hold_ms:.2f} ms, {idle.above_ms:.2f} ms above a bare commit"
    _say(f"Idle: {above}.")
    if inside is not None:
        _say(f"In process: {inside.ratio:.1f} times the holds per CPU second of SELECT ... FOR UPDATE.")
    found = {"idle": idle, "in_process": inside, "ladders": ladders, "runs": [*runs, *best]}
    path = report.keep(out, "holds", report.circumstances(made), found)
    report.draw(path)
    _say(f"Written: {path}, and two plots beside it")


@app.command("hot")
def hot_command(web: Web = 2, seats: int = 100_000, out: Out = Path("bench-results")) -> None:
    """Ten thousand open connections that all want the same hundred seats: at once, then at 5,000 arrivals a second."""
    capacity.raise_open_files()
    with stage(seats, 2, say=_say) as made, made.serving(web):
        rushes = [uvloop.run(hot.burst(made, made.events[0])), uvloop.run(hot.arrivals(made, made.events[1]))]
        for rush in rushes:
            _say(hot.told(rush))
        _say(f"Written: {report.keep(out, 'hot', report.circumstances(made), rushes)}")
    raise typer.Exit(0 if all(rush.passed for rush in rushes) else 1)


@app.command("join")
def join_command(out: Out = Path("bench-results")) -> None:
    """What joining a line and reading its board cost, in requests that do nothing. Ends with 1 when it is too much."""
    with stage(1_000, 1, say=_say) as made:
        uvloop.run(joins.open_line(made))
        found = joins.measure(made, lambda *what: uvloop.run(joins.fire(*what)))
        for what, ratio in found.ratios.items():
            _say(f"{what}: {found.app_us[what]:.0f} us of the web process, {ratio:.2f} x an empty request")
        _say(f"Written: {report.keep(out, 'join', report.circumstances(made), found)}")
    raise typer.Exit(0 if found.passed else 1)


@app.command("storage")
def storage_command(seats: int = 100_000, out: Out = Path("bench-results")) -> None:
    """Bytes a seat takes: untouched, sold out, and after ten rounds of holds that run out. Takes some minutes."""
    with stage(seats, 1, say=_say) as made:
        sold = uvloop.run(storage.sell_out(made))
    with stage(seats, 1, say=_say, hold_s=storage.HOLD_S) as made:
        with made.serving():
            found = storage.judged(sold, uvloop.run(storage.cycles(made)), seats)
        _say(f"Growth from cycle {storage.CYCLES_BEFORE} to {storage.CYCLES}: {found.growth:.2f}")
        _say(f"Written: {report.keep(out, 'storage', report.circumstances(made), found)}")
    raise typer.Exit(0 if found.passed else 1)


@app.command("soak")
def soak_command(
    attempts: Annotated[int, typer.Option(help="So many, in all.")] = 10_000_000,
    rate: Annotated[float, typer.Option(help="A second.")] = 6_000.0,
    fault_every_s: Annotated[float, typer.Option(help="A fault about every so many seconds.")] = 20.0,
    web: Web = 2,
    seats: int = 100_000,
    soak_seed: Annotated[int | None, typer.Option("--seed", help="The same seed, the same wishes and faults.")] = None,
    out: Out = Path("bench-results"),
) -> None:
    """Millions of attempts while processes, PostgreSQL and Redis die; then whether a seat was ever held twice."""
    seed = chance.fresh_seed() if soak_seed is None else soak_seed
    _say(f"Seed {seed}")
    with stage(seats, 1, say=_say, hold_s=soak.HOLD_S) as made, made.serving(web) as supervisor:
        with Progress(console=console) as bar:
            found = uvloop.run(soak.run(made, supervisor, attempts, rate, seed, fault_every_s, bar))
        console.print(report.soak_table(found))
        _say(f"Written: {report.keep(out, 'soak', report.circumstances(made), found)}")
    raise typer.Exit(0 if found.passed else 1)


@app.command("curve")
def curve_command(
    web: Annotated[list[int] | None, typer.Option(help="Web processes; may be given again.")] = None,
    events: Annotated[list[int] | None, typer.Option(help="Events on sale at once; may be given again.")] = None,
    rate: float = 6_000.0,
    seats: int = 2_000,
    out: Out = Path("bench-results"),
) -> None:
    """What an attempt costs as events and web processes become more: the same rate over 1, 10, 100, 1,000 events."""
    counts, webs = events or [1, 10, 100, 1_000], web or [1, 2, 4]
    runs: list[holds.Run] = []
    circumstances: dict[str, object] = {}
    for processes in webs:
        for count in counts:
            # Together they have as many seats as one run may take.
            with stage(max(seats, 100_000 // count), count, say=_say) as made, made.serving(processes):
                runs.append(uvloop.run(holds.run(made, made.events, "", Mix.HALF, processes, rate)))
                circumstances = report.circumstances(made)
    console.print(report.runs_table(f"{rate:,.0f} attempts/s", runs))
    path = report.keep(out, "curve", circumstances, {"runs": runs})
    report.draw(path)
    _say(f"Written: {path}, and two plots beside it")
