"""Pictures of what was measured: `python -m onsale.bench.plots FILE.json` draws beside the file.

A program of its own, so that the library that draws is not loaded into every process of the house.
"""

import sys
from pathlib import Path

import matplotlib
import msgspec
from matplotlib.figure import Figure

PARTS = ("app", "worker", "postgres", "redis", "generator")
P99_MAX_MS = 200.0


class Drawn(msgspec.Struct):
    """What is drawn of a run."""

    variant: str
    mix: str
    web_processes: int
    events: int
    attempts_per_s: float
    p99_ms: float
    cpu_us: dict[str, float]
    passed: bool

    @property
    def who(self) -> str:
        events = f", {self.events} events" if self.events > 1 else ""
        return f"{self.variant}, {self.mix}, {self.web_processes} web{events}"


class Runs(msgspec.Struct):
    runs: list[Drawn]


class File(msgspec.Struct):
    found: Runs


def latency(runs: list[Drawn], path: Path) -> None:
    """p99 over rate, a line for each way and mix."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for who in dict.fromkeys(run.who for run in runs):
        points = sorted((run.attempts_per_s, run.p99_ms) for run in runs if run.who == who)
        axes.plot([rate for rate, _ in points], [p99 for _, p99 in points], marker="o", label=who)
    axes.axhline(P99_MAX_MS, color="grey", linestyle="--", linewidth=1)
    axes.set(xlabel="attempts a second", ylabel="p99, ms", yscale="log", title="Latency from when a request was due")
    axes.legend(fontsize=8)
    figure.savefig(path)


def cost(runs: list[Drawn], path: Path) -> None:
    """What an attempt costs each part, at the best rate that each way served."""
    best: dict[str, Drawn] = {}
    for run in sorted(runs, key=lambda run: (run.passed, run.attempts_per_s)):
        best[run.who] = run
    figure = Figure(figsize=(9, 0.45 * len(best) + 2), layout="constrained")
    axes = figure.subplots()
    names, left = list(best), [0.0] * len(best)
    for part in PARTS:
        widths = [best[who].cpu_us.get(part, 0.0) for who in names]
        axes.barh(names, widths, left=left, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="microseconds of CPU an attempt", title="What an attempt costs")
    axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    matplotlib.rcParams["svg.hashsalt"] = "onsale"
    path = Path(sys.argv[1])
    runs = msgspec.json.decode(path.read_bytes(), type=File).found.runs
    latency(runs, path.with_name(f"{path.stem}-latency.svg"))
    cost(runs, path.with_name(f"{path.stem}-cost.svg"))


if __name__ == "__main__":
    main()
