"""What a bench found, for people and for machines: a table in the terminal, JSON and pictures in a folder."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.table import Table

from onsale import __version__
from onsale.bench import plots
from onsale.bench.cpu import GENERATOR, PARTS
from onsale.bench.holds import Run
from onsale.bench.stage import Stage
from onsale.kit import clock


def circumstances(stage: Stage) -> dict[str, Any]:
    """What a figure is worth nothing without."""
    return {
        "onsale": __version__,
        "at": clock.utcnow(),
        "python": f"{platform.python_version()} {' '.join(platform.python_build())}",
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "generator": "on the same cores",
        "seats": stage.seats,
        **stage.durability,
    }


def keep(folder: Path, name: str, circumstances: dict[str, Any], found: Any) -> Path:
    """Write the JSON and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    body = msgspec.json.format(msgspec.json.encode({"circumstances": circumstances, "found": found}), indent=1)
    path.write_bytes(body + b"\n")
    return path


def runs_table(title: str, runs: Sequence[Run]) -> Table:
    """A line a run: rates, latencies from when a request was due, and what an attempt cost each part."""
    table = Table(title=title)
    table.add_column("who")
    heads = ("web", "events", "offered/s", "attempts/s", "held/s", "p50", "p95", "p99 ms", *PARTS[:4], "gen. us")
    for head in (*heads, "held per CPU s"):
        table.add_column(head, justify="right")
    table.add_column("")
    for run in runs:
        costs = [f"{run.cpu_us[part]:.0f}" for part in (*PARTS[:4], GENERATOR)]
        table.add_row(
            f"{run.variant}, {run.mix}", str(run.web_processes), str(run.events), f"{run.offered_per_s:,.0f}",
            f"{run.attempts_per_s:,.0f}", f"{run.held_per_s:,.0f}", f"{run.p50_ms:.1f}", f"{run.p95_ms:.1f}",
            f"{run.p99_ms:.1f}", *costs, f"{run.held_per_cpu_s:,.0f}", "" if run.passed else run.why,
        )  # fmt: skip
    return table


def plot_runs(folder: Path, name: str, runs: Sequence[Run]) -> list[Path]:
    """Latency over rate, a line a variant and mix; and what an attempt cost each part at the best rate of each."""
    lines: dict[str, plots.Points] = {}
    best: dict[str, Run] = {}
    for run in runs:
        who = f"{run.variant}, {run.mix}, {run.web_processes} web, {run.events} events"
        lines.setdefault(who, []).append((run.attempts_per_s, max(run.p99_ms, 0.1)))
        if run.passed and (who not in best or run.attempts_per_s > best[who].attempts_per_s):
            best[who] = run
    latency, cost = folder / f"{name}-latency.svg", folder / f"{name}-cost.svg"
    plots.curves(latency, "p99 by rate", "attempts a second", "p99, ms (logarithmic)", lines, logarithmic=True)
    parts = {part: [run.cpu_us[part] for run in best.values()] for part in (*PARTS[:4], GENERATOR)}
    plots.stacks(cost, "CPU of an attempt at the best rate", "microseconds", best, parts)
    return [latency, cost]
