"""SQL: every query has a name, a reason and a user, and touches no table of another room.

Rules of the text only; that each query prepares on the migrated schema is tested with the database.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import house
from .house import Module
from .statements import created, tables

# The kit's own tables, also while its docstring does not name them yet; the job queue's come with its library.
KIT_TABLES = {"fact", "mailbox", "idempotency", "schema_migration"}
KIT_PREFIXES = ("procrastinate_",)
SYSTEM_PREFIXES = ("pg_", "information_schema.")


@dataclass(frozen=True, slots=True)
class Block:
    """One named query of a file: `home` is the room (or kit) that the file belongs to."""

    path: str
    home: str
    name: str
    text: str

    @property
    def why(self) -> str:
        """The text of its comments."""
        return " ".join(line.strip()[2:].strip() for line in self.text.splitlines() if line.strip().startswith("--"))


def blocks(path: str, text: str) -> list[Block]:
    """The named queries of an SQL file; `path` is relative to src."""
    parts = re.split(r"^--[ \t]*name:[ \t]*(\S+)[ \t]*$", text, flags=re.MULTILINE)
    return [Block(path, path.split("/")[1], name, body) for name, body in zip(parts[1::2], parts[2::2], strict=True)]


def sql_files() -> dict[str, str]:
    """The text of every SQL file of the package with named queries, by its path below src."""
    paths = [
        path
        for path in sorted(house.PACKAGE.rglob("*.sql"))
        if path.parent.name != "migrations" and path.name != "schema.sql"
    ]
    assert any(path.name == "queries.sql" for path in paths), "src/onsale has no queries.sql yet"
    return {path.relative_to(house.SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def named_queries() -> list[Block]:
    """Every named query of the package; a file without one fails, since nothing else finds its queries."""
    files = {path: blocks(path, text) for path, text in sql_files().items()}
    empty = [path for path, found in files.items() if not found]
    assert not empty, f"SQL files without a `-- name:` line: {empty}"
    return [block for found in files.values() for block in found]


def without_reason(queries: Iterable[Block]) -> list[str]:
    """Queries without one whole sentence: a capital letter, at least three words, an end."""
    return [f"src/{query.path} {query.name}" for query in queries if not _is_sentence(query.why)]


def _is_sentence(text: str) -> bool:
    found = re.search(r"(?:^|[.!?:] )[\"'`(]?[A-Z0-9].*?[.!?](?:[\"'`)]|\s|$)", text)
    return found is not None and len(text.split()) >= 3


def doubled(queries: Iterable[Block]) -> list[str]:
    """Names given twice in one file: the second silently hides the first."""
    counts = Counter((query.path, query.name) for query in queries)
    return [f"src/{path} {name}" for (path, name), count in counts.items() if count > 1]


def loaded(module: Module) -> dict[str, str]:
    """Names bound to a file of queries (`SQL = db.load(__package__)`), and the path of that file below src."""
    known, found = house.aliases(module), {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and (path := _load(module, node.value, known)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({target.id: path for target in targets if isinstance(target, ast.Name)})
    return found


def _load(module: Module, node: ast.expr | None, known: dict[str, str]) -> str:
    """The path of the file that a call of db.load reads; empty for any other expression."""
    if not isinstance(node, ast.Call):
        return ""
    # In kit/db.py itself it is called by its bare name.
    at_home = module.path.endswith("kit/db.py") and isinstance(node.func, ast.Name) and node.func.id == "load"
    if not at_home and house.dotted(node.func, known) != "onsale.kit.db.load":
        return ""
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    file = node.args[1] if len(node.args) > 1 else named.get("file")
    package = node.args[0] if node.args else named["package"]
    return f"{_folder(module, package)}/{ast.literal_eval(file) if file else 'queries.sql'}"


def _folder(module: Module, package: ast.expr) -> str:
    """`__package__` is the module's own folder; otherwise the package is written out."""
    if isinstance(package, ast.Constant):
        return str(package.value).replace(".", "/")
    return module.path.rsplit("/", 1)[0]


def used(modules: Iterable[Module]) -> dict[str, dict[str, str]]:
    """Which queries each SQL file's users name: path of the file -> query -> first place. `texts` is all of them."""
    found: dict[str, dict[str, str]] = {}
    for module in modules:
        known, files = house.aliases(module), loaded(module)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute):
                owner = node.value
                path = files.get(owner.id, "") if isinstance(owner, ast.Name) else _load(module, owner, known)
                if path:
                    found.setdefault(path, {}).setdefault(node.attr, module.at(node))
    return found


def unused(queries: Iterable[Block], modules: Iterable[Module]) -> list[str]:
    """Queries that nothing runs, and names that no query has."""
    modules, queries = list(modules), list(queries)
    names = used(modules)
    idle = [
        f"src/{query.path} {query.name} is used by nobody"
        for query in queries
        if not names.get(query.path, {}).keys() & {query.name, "texts"}
    ]
    there = {(query.path, query.name) for query in queries}
    lost = [
        f"{place} wants {name}, which {path} does not have"
        for path, wanted in names.items()
        for name, place in wanted.items()
        if name != "texts" and (path, name) not in there
    ]
    return idle + lost


def owned(module: Module) -> set[str]:
    """The tables that a room's docstring claims in its line `Owns tables a, b and c, and Redis keys ...`."""
    text = " ".join((ast.get_docstring(module.tree) or "").split())
    found = re.search(r"\bOwns tables? (.*?)(?:[.;(]|,? and Redis|,? and (?:the )?Redis|$)", text)
    words = re.split(r",|\band\b", found.group(1)) if found else []
    return {word for part in words if re.fullmatch(r"[a-z_][a-z0-9_]*", word := part.strip(" `"))}


def owners(doors: Mapping[str, Module]) -> dict[str, set[str]]:
    """Table -> who claims it."""
    found: dict[str, set[str]] = {table: {"kit"} for table in KIT_TABLES}
    for home, module in doors.items():
        for table in owned(module):
            found.setdefault(table, set()).add(home)
    return found


def every_owner() -> dict[str, set[str]]:
    """The owners by the real doors, the kit's included."""
    kit = {m.home: m for m in house.modules() if m.path == "onsale/kit/__init__.py"}
    return owners({**house.doors(), **kit})


def foreign(queries: Iterable[Block], owner: Mapping[str, set[str]]) -> list[str]:
    """Queries that name a table of another room, or one that nobody owns."""
    found = []
    for query in queries:
        for table in sorted(tables(query.text)):
            if table.startswith(SYSTEM_PREFIXES) or (query.home == "kit" and table.startswith(KIT_PREFIXES)):
                continue
            if query.home not in owner.get(table, set()):
                whose = " and ".join(sorted(owner.get(table, set()))) or "nobody"
                found.append(f"src/{query.path} {query.name} names {table}, which {whose} owns")
    return found


def ownership_faults(made: set[str], owner: Mapping[str, set[str]]) -> list[str]:
    """Tables without an owner or with two, and claims on tables that do not exist."""
    faults = [f"{table} belongs to nobody" for table in made - owner.keys()]
    faults += [f"{table} belongs to {' and '.join(sorted(homes))}" for table, homes in owner.items() if len(homes) > 1]
    faults += [
        f"{table} of {' and '.join(sorted(owner[table]))} is created by no migration" for table in owner.keys() - made
    ]
    return sorted(faults)


def test_every_query_says_why() -> None:
    """SQL says what is done and never why, nor which race the order of its clauses prevents; the comment goes with the
    query into pg_stat_activity, where somebody reads it at night."""
    found = without_reason(named_queries())
    assert not found, house.told(found, "Put one whole sentence of comment under the name of each:")


def test_the_name_of_a_query_is_given_once() -> None:
    """Queries are found by name, so a second one of the same name in a file is one that never runs."""
    found = doubled(named_queries())
    assert not found, house.told(found, "These names are given twice:")


def test_every_query_is_used() -> None:
    """A query that nobody runs is changed with every migration all the same, and a name that no query has is an error
    that waits for its first caller."""
    found = unused(named_queries(), house.modules())
    assert not found, house.told(found, "Queries and their users differ:")


def test_a_query_names_the_tables_of_its_room_only() -> None:
    """A join across rooms is an import that no import rule sees: it ties two rooms to one schema, and to one shard.
    What another room knows is asked of the room, or told by it as a fact. The referee and the sandbox stand apart."""
    queries = [query for query in named_queries() if query.path not in house.OTHER_SQL]
    found = foreign(queries, every_owner())
    assert not found, house.told(found, "Ask the owner of these tables instead:")


def test_every_table_has_one_owner() -> None:
    """A table that two rooms write has no place where its invariants are kept, and one that no docstring names
    escapes the rule above."""
    paths = sorted((house.PACKAGE / "migrations").glob("*.sql"))
    assert paths, "src/onsale/migrations holds no numbered SQL yet"
    texts = [path.read_text(encoding="utf-8") for path in paths] + [sql_files().get("onsale/kit/queries.sql", "")]
    found = ownership_faults(set().union(*(created(text) for text in texts)), every_owner())
    assert not found, house.told(found, "Name these in the `Owns tables` line of exactly one room:")


def test_migrations_are_numbered_without_a_gap() -> None:
    """Migrations run in the order of their names, forward only; two with one number run in an order nobody chose."""
    names = [path.name for path in sorted((house.PACKAGE / "migrations").glob("*.sql"))]
    assert names, "src/onsale/migrations holds no numbered SQL yet"
    assert not misnumbered(names), house.told(misnumbered(names), "Number these 0001_what.sql, 0002_what.sql, ...:")


def misnumbered(names: Iterable[str]) -> list[str]:
    """Names that do not carry the next number."""
    return [name for number, name in enumerate(names, 1) if not re.fullmatch(rf"{number:04}_[a-z0-9_]+\.sql", name)]


_PATH = "onsale/inventory/queries.sql"


def test_a_silent_or_doubled_query_is_seen() -> None:
    """Negative control: no comment, a mere headline, a name given twice; the sentence may span lines."""
    text = "-- name: {}\n{}\nSELECT 1;\n"
    for comment in ("", "-- lock seats", "-- Seats.", "-- the seats are locked in the order of their keys"):
        assert without_reason(blocks(_PATH, text.format("a", comment))), comment
    for comment in (
        "-- Seats in key order,\n-- so that no two transactions wait for each other.",
        "-- Why? Because it is so.",
    ):
        assert not without_reason(blocks(_PATH, text.format("a", comment))), comment
    assert doubled(blocks(_PATH, text.format("a", "") * 2)) == [f"src/{_PATH} a"]


def test_an_idle_or_missing_query_is_seen() -> None:
    """Negative control: a namesake that is no query of the file does not count as its use."""
    queries = blocks(_PATH, "-- name: lock\nSELECT 1\n-- name: idle\nSELECT 2\n")
    store = "from onsale.kit import db\nSQL = db.load(__package__)\nrun(SQL.lock, SQL.gone, other.idle)"
    found = unused(queries, [house.sample("onsale/inventory/store.py", store)])
    assert [fault.rsplit(" is ", 1)[0].split(",")[0] for fault in found] == [
        f"src/{_PATH} idle",
        "src/onsale/inventory/store.py:3 wants gone",
    ]
    whole = "from onsale.kit import db\nfor name in db.load('onsale.inventory').texts: run(name)"
    assert not unused(queries, [house.sample("onsale/drop/referee.py", whole)])
    book = "from onsale.kit.db import load\nQ = load(__package__, 'sandbox.sql')\nQ.lock"
    assert used([house.sample("onsale/checkout/gateways/book.py", book)]).keys() == {
        "onsale/checkout/gateways/sandbox.sql"
    }


def test_a_foreign_table_is_seen() -> None:
    """Negative control: another room's table, the kit's, and nobody's are refused; one's own and the system's pass."""
    doc = '"""Seats and holds.\n\nOwns tables seat, `hold` and buyer, and Redis keys `{e<id>}`. Rooms, event.\n"""'
    owner = owners({
        "inventory": house.sample("onsale/inventory/__init__.py", doc),
        "catalog": house.sample("onsale/catalog/__init__.py", '"""Events.\n\nOwns tables event,\n    venue.\n"""'),
    })  # fmt: skip
    assert {table for table, homes in owner.items() if homes == {"inventory"}} == {"seat", "hold", "buyer"}
    assert {table for table, homes in owner.items() if homes == {"catalog"}} == {"event", "venue"}
    for table, refused in (("event", 1), ("fact", 1), ("stranger", 1), ("seat", 0), ("pg_stat_activity", 0)):
        assert len(foreign(blocks(_PATH, f"-- name: a\nselect 1 from seat join {table} on true"), owner)) == refused, (
            table
        )
    assert not foreign(blocks("onsale/kit/queries.sql", "-- name: a\nselect 1 from fact, procrastinate_jobs"), owner)


def test_a_table_without_one_owner_is_seen() -> None:
    """Negative control: nobody's, somebody's twice, and one that is claimed without being there."""
    made = created(
        "-- create table no (a int)\nCREATE TABLE seat (a int); create unlogged table if not exists public.hold (b int)"
    )
    assert made == {"seat", "hold"}
    assert ownership_faults(made, {"seat": {"inventory"}, "hold": {"inventory"}}) == []
    assert len(ownership_faults(made, {"seat": {"inventory", "live"}, "gone": {"ops"}})) == 3


def test_a_wrong_number_is_seen(tmp_path: Path) -> None:
    """Negative control: a gap, a number given twice, and no number."""
    assert not misnumbered(["0001_kit.sql", "0002_seats.sql"])
    for names in (["0002_kit.sql"], ["0001_a.sql", "0001_b.sql"], ["kit.sql"]):
        assert misnumbered(names), names
