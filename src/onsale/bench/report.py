"""What a bench found, for people and for machines: a table in the terminal, JSON and pictures in a folder."""

import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.table import Table

from onsale import __version__
from onsale.bench.cpu import GENERATOR, PARTS
from onsale.bench.holds import Run
from onsale.bench.soak import Soak
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


def draw(path: Path) -> None:
    """Draw the `runs` of a JSON file beside it."""
    subprocess.run([sys.executable, "-m", "onsale.bench.plots", str(path)], check=True)


def soak_table(found: Soak) -> Table:
    """Counts of answers, faults and wrongs."""
    evidence = found.evidence
    title = f"Soak: {found.attempts:,} attempts, {len(found.faults)} faults, seed {found.seed}"
    table = Table(title=title, caption="good" if found.passed else "BROKEN", show_header=False)
    rows: dict[str, object] = {
        **found.outcomes,
        **{f"fault: {kind}": count for kind, count in Counter(fault.fault for fault in found.faults).items()},
        "holds answered, looked for": evidence.held,
        "refusals looked at": evidence.taken,
        "SEATS HELD TWICE": evidence.double,
        "ANSWERED HOLDS LOST": evidence.lost,
        "FALSELY REFUSED": evidence.false_taken,
        "referee's broken checks": ", ".join(found.referee_broken) or "none",
        "p50, p99 ms": f"{found.p50_ms:.1f}, {found.p99_ms:.1f}",
        "longest time without an answer, s": f"{found.longest_gap_s:.2f}",
    }
    for name, value in rows.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    for example in evidence.examples:
        table.add_row("", example)
    return table
