"""Floors and doors: imports go down only, and into another room through its `__init__` only."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import house
from .house import Import, Module

# What a room shows is a promise to every other room; the design says about a dozen, and this is where it stops.
DOOR_NAMES_MAX = 25
DOOR_NAMES_AIM = 12
# The composition root and the page of mounts wire these files of a room into the processes; nobody else may.
WIRING = {"onsale/app.py", "onsale/mount.py"}
WIRED_FILES = {"hot", "routes", "jobs"}


# What the command `lint-imports` does, also where its script is not on the PATH.
LINT = "from importlinter.cli import lint_imports_command as run; run()"


class Doors:
    """What can be entered: the files of each room, and the names that its `__init__` really shows."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.files: dict[str, set[str]] = {}
        self.shown: dict[str, set[str]] = {}
        for module in modules:
            if module.home not in house.ROOMS:
                continue
            inner = module.path.split("/")[2]
            self.files.setdefault(module.home, set()).add(inner.removesuffix(".py"))
            if module.path.endswith(f"onsale/{module.home}/__init__.py"):
                self.shown[module.home] = door_names(module)

    def breach(self, importer: Module, target: str) -> str:
        """The file of a foreign room that a dotted name reaches into; empty when it uses a door, or needs none."""
        parts = target.split(".")
        if len(parts) < 3 or parts[0] != "onsale" or parts[1] == importer.home:
            return ""
        room, inner = parts[1], parts[2]
        if inner not in self.files.get(room, set()) or inner in self.shown.get(room, set()):
            return ""
        if importer.path in WIRING and inner in WIRED_FILES:
            return ""
        return f"onsale.{room}.{inner}"


def door_names(module: Module) -> set[str]:
    """Public names that an `__init__` binds. A file of the room bound by `from . import store` opens no door."""
    package = module.name
    names: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    names |= {item.bound for item in house.imports(module) if item.name and item.module.startswith(f"{package}.")}
    return {name for name in names if not name.startswith("_")}


def promised(module: Module) -> set[str]:
    """The names of `__all__`, or without one the public names that the `__init__` binds."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return set(ast.literal_eval(node.value))
    return door_names(module)


def breaches(modules: Iterable[Module], every: Iterable[Module]) -> list[str]:
    """Each place that enters a room by a window: by import, or by an attribute of an imported room."""
    known = Doors(every)
    return [
        f"{where} enters {target}"
        for module in modules
        for where, reached in _reached(module)
        if (target := known.breach(module, reached))
    ]


def _reached(module: Module) -> Iterable[tuple[str, str]]:
    """Every dotted name that the file reaches: what it imports, and attributes of what it imported."""
    for item in house.imports(module):
        yield module.at(item.node), item.module
        if _binds_more(item):
            yield module.at(item.node), item.dotted
    known = {name: target for name, target in house.aliases(module).items() if target.startswith("onsale")}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and (target := house.dotted(node, known)).count(".") == 2:
            yield module.at(node), target


def _binds_more(item: Import) -> bool:
    """Whether `from a import b` may name a module of its own: deeper names repeat what `item.module` already said."""
    return bool(item.name) and item.module.count(".") <= 1


def room_faults(modules: Iterable[Module]) -> list[str]:
    """Packages under src/onsale that are no room of the design, and rooms without an `__init__`."""
    paths = {module.path: module.home for module in modules}
    homes = set(paths.values()) - {""} - house.NO_ROOMS
    strangers = [f"src/onsale/{home} is not a room of design.md section 2" for home in homes - set(house.ROOMS)]
    closed = [
        f"src/onsale/{home}/__init__.py does not exist yet"
        for home in homes
        if f"onsale/{home}/__init__.py" not in paths
    ]
    return sorted(strangers + closed)


def hidden_imports(module: Module) -> list[str]:
    """Imports inside functions, and imports by text, which no tool that reads the floors can see."""
    inner = [
        f"{module.at(node)} imports inside {function.name}"
        for function in house.functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    known = house.aliases(module) | {"__import__": "__import__"}
    by_text = [
        f"{module.at(node)} imports by text"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and house.dotted(node.func, known) in {"importlib.import_module", "__import__", "builtins.__import__"}
    ]
    return sorted(set(inner + by_text))


def door_faults(module: Module) -> list[str]:
    """What the docstring of a room's `__init__` lacks."""
    text = ast.get_docstring(module.tree) or ""
    purpose = text.split("\n\n")[0].split("Invariants")[0].strip()
    lacks = []
    if len(purpose.split()) < 5 or not purpose.endswith((".", ":")):
        lacks.append("its purpose as a sentence")
    if not re.search(r"^ *Invariants?\b.*\n +\S", text, re.MULTILINE):
        lacks.append("an `Invariants` block")
    if not re.search(r"\bOwns\s+(nothing\b|no\s+tables?\b|tables?\s+`?[a-z_]+)", text):
        lacks.append("a line `Owns tables a, b` (or `Owns no tables`)")
    return [f"src/{module.path} lacks {lack}" for lack in lacks]


def outside_layers(settings: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Parts of the package that no `layers` contract of the import-linter settings places on a floor."""
    contracts = [c for c in settings.get("contracts", []) if c.get("type") == "layers"]
    placed: set[str] = set()
    for contract in contracts:
        prefixes = tuple(f"{container}." for container in contract.get("containers", []))
        for layer in contract.get("layers", []):
            for part in re.split(r"[|:]", layer):
                placed |= {f"{prefix}{part.strip(' ()')}" for prefix in prefixes or ("",)}
    return [name for name in names if name not in placed]


def lint_imports(directory: Path, config: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter as its own process: it keeps the graph it builds and changes sys.path."""
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo", "--config", config],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def linter_settings() -> Mapping[str, Any]:
    """The import-linter settings of pyproject.toml."""
    project = tomllib.loads(house.required("pyproject.toml").read_text(encoding="utf-8"))
    settings: Mapping[str, Any] = project.get("tool", {}).get("importlinter", {})
    assert settings.get("contracts"), "pyproject.toml has no [[tool.importlinter.contracts]] yet"
    return settings


def test_a_room_is_entered_through_its_door_only() -> None:
    """Whoever imports a room's files takes part in its insides, and then no change inside stays inside. The `__init__`
    is the list of what a room promises; app.py and mount.py may besides wire its hot, routes and jobs."""
    found = breaches(house.modules(), house.modules())
    assert not found, house.told(found, "Import these from the room's `__init__`:")


def test_every_room_is_known_and_has_a_door() -> None:
    """A package that no rule knows is a package that no rule holds, and a room without an `__init__` has no door."""
    found = room_faults(house.modules())
    assert not found, house.told(found, "Rooms and the design differ:")


def test_every_door_says_what_is_behind_it() -> None:
    """The docstring of a room is read before any of its code: what it is for, what always holds in it, and which
    tables nobody else may touch. test_sql.py takes the ownership of tables from the same line. (The simulator, `drop`,
    stands outside of the house and has no invariants of its own: it checks ours.)"""
    found = [fault for room, module in house.doors().items() if room != "drop" for fault in door_faults(module)]
    assert not found, house.told(found, "These doors do not say enough:")


def test_a_door_is_narrow() -> None:
    """Each name shown is a promise to every other room. About a dozen is the aim; a room that needs 25 is two rooms."""
    widths = {room: len(promised(module)) for room, module in house.doors().items()}
    house.notes.extend(
        f"door {room}: {width} names; design.md says about a dozen"
        for room, width in widths.items()
        if width > DOOR_NAMES_AIM
    )
    found = [f"{room} shows {width} names" for room, width in widths.items() if width > DOOR_NAMES_MAX]
    assert not found, house.told(found, f"A door shows about a dozen names and never more than {DOOR_NAMES_MAX}:")


def test_no_import_hides_inside_a_function() -> None:
    """An import inside a function dodges a circle instead of removing it, and turns a start-up error into one on sale
    day. What cannot be imported at the top is on the wrong floor."""
    found = [fault for module in house.modules() for fault in hidden_imports(module)]
    assert not found, house.told(found, "Move these imports to the top of their files:")


def test_the_import_contracts_hold() -> None:
    """Imports go down only, so that a lower room can be read, tested and changed without knowing who stands on it.
    Run from here so that pytest alone proves it, and not only a step of CI that may be forgotten."""
    linter_settings()
    ran = lint_imports(house.ROOT, "pyproject.toml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"[1-9]\d* kept, 0 broken", ran.stdout), ran.stdout


def test_every_room_stands_on_a_floor() -> None:
    """A room that no contract names may import anything; a forgotten line would be a hole in the wall."""
    names = ["onsale.kit", *(f"onsale.{room}" for room in house.ROOMS if room != "drop")]
    found = outside_layers(linter_settings(), names)
    assert not found, house.told(found, "No `layers` contract in pyproject.toml names these:")


_ROOM = [
    house.sample(
        "onsale/inventory/__init__.py",
        "from onsale.inventory.hold import hold\nfrom onsale.inventory import model",
    ),
    house.sample("onsale/inventory/store.py", ""),
    house.sample("onsale/inventory/hold.py", ""),
    house.sample("onsale/inventory/hot.py", ""),
    house.sample("onsale/inventory/model.py", ""),
    house.sample("onsale/kit/db.py", ""),
]


def _enters(path: str, text: str) -> int:
    return len(breaches([house.sample(path, text)], _ROOM))


def test_a_window_is_seen() -> None:
    """Negative control: each way into a room's files that Python knows."""
    windows = [
        "from onsale.inventory.store import lock",
        "from onsale.inventory import store",
        "from onsale.inventory import model",
        "import onsale.inventory.store",
        "import onsale.inventory.store as s",
        "from ..inventory.store import lock",
        "from ..inventory import store",
        "from onsale import inventory\ninventory.store.lock()",
        "import onsale.inventory as i\ni.store.lock()",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from onsale.inventory.store import Row",
        "from onsale.inventory.hot import Holds",
    ]
    for text in windows:
        assert _enters("onsale/checkout/pay.py", text), text
        if ".." not in text:
            assert _enters("onsale/cli.py", text), text
    assert _enters("onsale/app.py", "from onsale.inventory.store import lock")


def test_a_door_is_no_window() -> None:
    """Negative control of the control: doors, kit and own files stay open, also where a verb has a file's name."""
    for text in (
        "from onsale.inventory import hold",
        "from onsale import inventory\ninventory.hold()",
        "from onsale.kit.db import Database",
        "from onsale.kit import db",
        "import onsale.kit.db",
    ):
        assert not _enters("onsale/checkout/pay.py", text), text
    assert not _enters("onsale/inventory/jobs.py", "from onsale.inventory import store\nfrom . import model")
    assert not _enters("onsale/mount.py", "from onsale.inventory import hot\nfrom onsale.inventory.hot import Holds")
    assert _enters("onsale/web/pages.py", "from onsale.inventory import hot")


def test_a_hidden_import_is_seen() -> None:
    """Negative control: by statement, in a method, and by text."""
    for text in (
        "def f():\n    import json",
        "class A:\n    async def f(self):\n        if self:\n            from a import b",
        "import importlib\nx = importlib.import_module('a')",
        "from importlib import import_module as load\nx = load('a')",
        "x = __import__('a')",
    ):
        assert hidden_imports(house.sample("onsale/a.py", text)), text
    assert not hidden_imports(
        house.sample("onsale/a.py", "try:\n    import uvloop\nexcept ImportError:\n    uvloop = 0")
    )


def test_an_unknown_or_closed_room_is_seen() -> None:
    """Negative control: a package that the design does not name, and a room whose door is missing."""
    paths = ["onsale/app.py", "onsale/kit/db.py", "onsale/basket/__init__.py", "onsale/guard/model.py"]
    assert len(room_faults(house.sample(path, "") for path in paths)) == 2


def test_a_silent_or_wide_door_is_seen() -> None:
    """Negative control: an empty docstring lacks all three parts, the example of style.md lacks none."""
    assert len(door_faults(house.sample("onsale/inventory/__init__.py", ""))) == 3
    good = '"""Seats and holds: who may sit where.\n\nInvariants\n    One seat, one hold.\nOwns tables seat, hold.\n"""'
    assert not door_faults(house.sample("onsale/inventory/__init__.py", good))
    assert len(door_faults(house.sample("onsale/inventory/__init__.py", good.replace("Owns", "Has")))) == 1
    wide = "\n".join(f"from onsale.inventory.store import name_{n}" for n in range(26))
    assert len(promised(house.sample("onsale/inventory/__init__.py", wide))) == 26
    assert promised(house.sample("onsale/inventory/__init__.py", f"{wide}\n__all__ = ['name_1']")) == {"name_1"}


def test_an_upward_import_breaks_a_contract(tmp_path: Path) -> None:
    """Negative control: the same linter, run the same way, refuses a small package whose cellar imports its roof."""
    package = tmp_path / "src" / "onsale_sample"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("roof", ""), ("cellar", "from onsale_sample import roof\n")):
        (package / f"{name}.py").write_text(text)
    (tmp_path / "linter.toml").write_text(
        '[tool.importlinter]\nroot_package = "onsale_sample"\n[[tool.importlinter.contracts]]\nname = "floors"\n'
        'type = "layers"\nlayers = ["onsale_sample.roof", "onsale_sample.cellar"]\n'
    )
    ran = lint_imports(tmp_path, "linter.toml")
    assert ran.returncode != 0 and "1 broken" in ran.stdout, ran.stdout + ran.stderr
    (package / "cellar.py").write_text("")
    ran = lint_imports(tmp_path, "linter.toml")
    assert ran.returncode == 0 and "1 kept, 0 broken" in ran.stdout, ran.stdout + ran.stderr


def test_a_room_without_a_floor_is_seen() -> None:
    """Negative control: layers written with and without a container, alone and side by side."""
    layers = {"contracts": [{"type": "layers", "containers": ["onsale"], "layers": ["web | (ops)", "kit"]}]}
    assert outside_layers(layers, ["onsale.web", "onsale.ops", "onsale.kit", "onsale.live"]) == ["onsale.live"]
    plain = {"contracts": [{"type": "layers", "layers": ["onsale.web : onsale.ops"]}]}
    assert outside_layers(plain, ["onsale.web", "onsale.ops", "onsale.kit"]) == ["onsale.kit"]
