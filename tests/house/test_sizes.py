"""Sizes: what a reader can hold in the head at once, as a ratchet that only a split can satisfy."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

from . import house
from .house import Module

# The house's hard limits (style.md); the aim is 30 lines a function and 80 to 300 a file.
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}
# Everything that a person writes and reads in the package, not Python alone.
WRITTEN = {".py", ".sql", ".lua", ".js", ".css", ".html"}


def function_sizes(modules: Iterable[Module]) -> dict[str, int]:
    """Lines of each function from its `def` to its end, by place and name."""
    return {
        f"{module.at(node)} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules
        for node in house.functions(module)
    }


def file_sizes(paths: Iterable[Path]) -> dict[str, int]:
    """Lines of each written file."""
    return {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}


def too_large(sizes: dict[str, int], limit: int) -> list[str]:
    """Those above the limit, the largest first."""
    over = sorted(((size, place) for place, size in sizes.items() if size > limit), reverse=True)
    return [f"{place}: {size} lines" for size, place in over]


def nameless(names: Iterable[str]) -> list[str]:
    """Paths of which a part says nothing about what is in it."""
    return [name for name in names if NAMELESS & {part.split(".")[0].strip("_") for part in name.split("/")}]


def written_files() -> list[Path]:
    """The written files of the package; fails when there is none."""
    paths = [path for path in sorted(house.PACKAGE.rglob("*")) if path.suffix in WRITTEN]
    assert paths, "src/onsale holds no file yet"
    return paths


def _note(what: str, sizes: list[int]) -> None:
    median, tenth = statistics.median(sizes), sorted(sizes)[int(len(sizes) * 0.9)]
    house.notes.append(f"{what}: {len(sizes)}, median {median:g} lines, 90th percentile {tenth}, largest {max(sizes)}")


def test_no_function_is_longer_than_seventy_lines() -> None:
    """A function that does not fit on a screen hides its refusals and its writes from the reader; loved codebases
    keep the median at 5 to 8 lines. Orchestrators grow a line at a time, so only a hard limit stops them."""
    sizes = function_sizes(house.modules())
    _note("functions", list(sizes.values()))
    over = too_large(sizes, FUNCTION_LINES_MAX)
    assert not over, house.told(over, "Split these functions by what they decide:")


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    """A file above this has more than one subject. It is split by verb (hold, confirm, expire), while the seams are
    still known, and never into a drawer."""
    sizes = {name.removeprefix(f"{house.ROOT}/"): size for name, size in file_sizes(written_files()).items()}
    _note("files", [size for name, size in sizes.items() if name.endswith(".py")])
    over = too_large(sizes, FILE_LINES_MAX)
    assert not over, house.told(over, "Split these files by verb:")


def test_no_file_is_a_drawer() -> None:
    """A file called utils attracts everything that nobody placed; what is in it belongs to a noun or a verb."""
    found = nameless(path.relative_to(house.ROOT).as_posix() for path in written_files())
    assert not found, house.told(found, "Name these after what is in them:")


def test_a_long_function_is_seen() -> None:
    """Negative control: 71 lines are refused and 70 pass, for async and nested functions too."""
    body = "    x = 1\n"
    long = house.sample("onsale/a.py", "async def f():\n" + body * 70)
    assert too_large(function_sizes([long]), FUNCTION_LINES_MAX) == ["src/onsale/a.py:1 f: 71 lines"]
    assert not too_large(function_sizes([house.sample("onsale/a.py", "def f():\n" + body * 69)]), FUNCTION_LINES_MAX)
    nested = house.sample("onsale/a.py", "class A:\n  def f(self):\n" + "    x = 1\n" * 70)
    assert len(too_large(function_sizes([nested]), FUNCTION_LINES_MAX)) == 1


def test_a_long_file_is_seen(tmp_path: Path) -> None:
    """Negative control: 501 lines are refused and 500 pass."""
    (tmp_path / "long.py").write_text("x = 1\n" * 501)
    (tmp_path / "fits.py").write_text("x = 1\n" * 500)
    assert too_large(file_sizes(tmp_path.iterdir()), FILE_LINES_MAX) == [f"{tmp_path}/long.py: 501 lines"]


def test_a_drawer_is_seen() -> None:
    """Negative control: as a file, as a directory, and with an underscore before it; a word inside a name is fine."""
    drawers = [
        "src/onsale/kit/utils.py",
        "src/onsale/common/a.py",
        "src/onsale/web/static/helpers.js",
        "a/_misc.py",
    ]
    assert nameless([*drawers, "src/onsale/kit/commonplace.py"]) == drawers
