"""What every rule of the house reads: the parsed source, who imports whom, and what a name really stands for.

A rule is a function from modules (or text) to a list of sentences, one for each place that breaks it, so that the
same function judges the real tree and the planted sample that proves the rule can fail.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "onsale"

# The rooms of design section 2. A new directory under src/onsale must be added here, which is the moment to ask
# whether it really is a room.
ROOMS = (
    "catalog",
    "accounts",
    "waitingroom",
    "inventory",
    "guard",
    "tickets",
    "checkout",
    "live",
    "ops",
    "web",
    "drop",
)

# Homes that are no rooms: the kit is open to all, migrations hold numbered SQL, benches are commands.
NO_ROOMS = {"kit", "migrations", "bench"}
# Where the SQL files stand that are not a room's queries.sql, each with its reason.
OTHER_SQL = {
    "onsale/bench/looks.sql",  # A bench looks at the tables of a house that was made for it.
    "onsale/drop/audit.sql",  # The referee reads everybody's tables: that is what a referee is for.
    "onsale/checkout/gateways/sandbox.sql",  # The sandbox is a foreign shop with a book of its own, in SQLite.
}

# Lines that the rules want shown at the end of the run; conftest.py prints them.
notes: list[str] = []


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: `path` is relative to src, for example `onsale/inventory/store.py`."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def home(self) -> str:
        """The room (or `kit`) it lives in; empty for the files that stand directly under src/onsale."""
        parts = self.path.split("/")
        return parts[1] if len(parts) > 2 else ""

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]

    def at(self, node: ast.AST) -> str:
        """Where a node stands, in the form an editor can jump to."""
        return f"src/{self.path}:{getattr(node, 'lineno', 1)}"


def sample(path: str, text: str) -> Module:
    """A planted module for a negative control; it exists nowhere but in the test."""
    return Module(path, text, ast.parse(text))


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the package, parsed once a run. An empty tree fails: a rule over nothing proves nothing."""
    found = tuple(
        Module(path.relative_to(SOURCE).as_posix(), text, ast.parse(text, filename=str(path)))
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in (path.read_text(encoding="utf-8"),)
    )
    assert found, f"{PACKAGE.relative_to(ROOT)} holds no Python file yet, so no rule can be checked"
    return found


@cache
def doors() -> dict[str, Module]:
    """The `__init__` of each room that is built, by room; fails when there is none."""
    found = {m.home: m for m in modules() if m.home in ROOMS and m.path == f"onsale/{m.home}/__init__.py"}
    assert found, "no room has an __init__.py yet"
    return found


def required(relative: str) -> Path:
    """A file that the project must have; its absence is a failure with a name, never a skip."""
    path = ROOT / relative
    assert path.is_file(), f"{relative} does not exist yet, and this rule needs it"
    return path


@cache
def committed_files() -> tuple[Path, ...]:
    """Every file that git tracks or would take with the next `git add`, so that a leak is seen before its commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = tuple(ROOT / name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file())
    assert found, "git lists no file of this project, so no rule about files can be checked"
    return found


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name. `module` is absolute, `name` is empty for `import module`, `bound` is the name used here."""

    node: ast.Import | ast.ImportFrom
    module: str
    name: str
    bound: str

    @property
    def dotted(self) -> str:
        """The full name of what was imported."""
        return f"{self.module}.{self.name}" if self.name else self.module


def imports(module: Module) -> Iterator[Import]:
    """Every import anywhere in the file, relative ones made absolute, those for type checkers included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield Import(node, item.name, "", item.asname or item.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            for item in node.names:
                yield Import(node, _absolute(module, node), item.name, item.asname or item.name)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    """The absolute module of a `from` import: one leading dot is the package the file lives in."""
    if not node.level:
        return node.module or ""
    package = module.path.split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def aliases(module: Module) -> dict[str, str]:
    """What each imported name stands for, so that `from time import time as t` hides nothing from a rule."""
    known: dict[str, str] = {}
    for item in imports(module):
        plain = isinstance(item.node, ast.Import) and item.bound == item.module.split(".")[0]
        known[item.bound] = item.bound if plain else item.dotted
    return known


def dotted(node: ast.expr, known: dict[str, str]) -> str:
    """The full name of an expression like `dt.now`, through the file's imports; empty when it begins with none."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, known)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of the file, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def strings(module: Module) -> Iterator[tuple[ast.expr, str]]:
    """Every string literal that is not a docstring or a bare string statement (those are prose). An f-string counts
    once, as a whole, with `x` for each value that goes into it."""
    skipped = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield (
                node,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node, node.value


def under(name: str, roots: Iterable[str]) -> bool:
    """Whether a dotted name is one of the roots or lies below one."""
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def told(broken: Iterable[str], why: str) -> str:
    """The failure text of a rule: its reason first, then every place that breaks it."""
    return "\n  ".join([why, *broken])
