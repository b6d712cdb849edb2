"""Pictures of what was measured, as SVG files that any browser shows."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pygal
from pygal.style import CleanStyle

Points = list[tuple[float, float]]


def curves(path: Path, title: str, across: str, up: str, lines: Mapping[str, Points], *, logarithmic: bool) -> None:
    """A line for each name through its points (x, y), with the axes' names."""
    chart = pygal.XY(
        title=title, x_title=across, y_title=up, logarithmic=logarithmic, style=CleanStyle, dots_size=3, height=560,
        legend_at_bottom=True, pretty_print=False, js=(), show_x_guides=True,
    )  # fmt: skip
    for name, points in lines.items():
        chart.add(name, points)
    path.write_bytes(chart.render())


def stacks(path: Path, title: str, up: str, columns: Iterable[str], parts: Mapping[str, list[float]]) -> None:
    """A column for each name, made of parts that stand on each other."""
    chart = pygal.StackedBar(
        title=title, y_title=up, style=CleanStyle, height=560, legend_at_bottom=True, pretty_print=False, js=(),
        x_label_rotation=20,
    )  # fmt: skip
    chart.x_labels = list(columns)
    for name, values in parts.items():
        chart.add(name, values)
    path.write_bytes(chart.render())
