"""Homes: SQL, Redis, time, chance, the network and driver errors each live in one known place."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from . import house
from .house import Module

# A statement at the start of a literal. Its first word is wholly in the upper case of manuals or the lower case of our
# queries.sql: capitalised prose ("Select seats from the map") is not a statement.
SQL = re.compile(
    r"\s*(?:select\b[\s\S]*\bfrom\b|select\s+\w+\s*\(|insert\s+into\b|update\s+\S+(?:\s+\w+)?\s+set\b|delete\s+from\b"
    r"|with\s+(?:recursive\s+)?\w+\s+as\s*\(|merge\s+into\b|truncate\s+\w|copy\s+\w[\s\S]*\b(?:from|to)\b\s"
    r"|create\s+(?:unlogged\s+|temp\s+|temporary\s+|unique\s+)?(?:table|index|view|function|trigger)\b"
    r"|alter\s+table\b|drop\s+(?:table|index)\b|lock\s+table\b)",
    re.IGNORECASE,
)

# Clocks, sleeping, chance and bare tasks: what a test must be able to decide.
UNCONTROLLED = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.sleep",
    "asyncio.sleep",
    "anyio.sleep",
    "asyncio.create_task",
    "asyncio.ensure_future",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
    "random",
    "secrets",
)
DRIVERS = ("psycopg", "psycopg_pool", "redis", "valkey")
# Names of driver exceptions, so that one handed on by another module is recognised too.
DRIVER_ERRORS = {
    *(
        "OperationalError",
        "InterfaceError",
        "DatabaseError",
        "IntegrityError",
        "UniqueViolation",
        "ExclusionViolation",
    ),
    *(
        "CheckViolation",
        "ForeignKeyViolation",
        "SerializationFailure",
        "DeadlockDetected",
        "LockNotAvailable",
    ),
    *("QueryCanceled", "PoolTimeout", "PoolClosed", "TooManyRequests", "RedisError", "NoScriptError"),
}

Home = Callable[[Module], bool]


def _kit(module: Module) -> bool:
    return module.home == "kit"


def _store(module: Module) -> bool:
    return module.home == "kit" or (bool(module.home) and module.file == "store.py")


def _cache(module: Module) -> bool:
    return module.home == "kit" or (bool(module.home) and module.file == "cache.py")


def _network(module: Module) -> bool:
    return module.home in {"kit", "drop"} or module.path.startswith("onsale/checkout/gateways")


# Which library may be imported where. The kit's own Redis module counts as Redis for a room, though not for the files
# that compose the rooms (app.py, cli.py): those open and close it.
LIBRARIES: tuple[tuple[tuple[str, ...], Home, str], ...] = (
    (("psycopg", "psycopg_pool"), _store, "PostgreSQL's driver belongs in kit/ and store.py"),
    (("redis", "valkey"), _cache, "Redis belongs in kit/ and cache.py"),
    (
        ("onsale.kit.redis",),
        lambda module: _cache(module) or not module.home,
        "Redis belongs in a room's cache.py",
    ),
    (
        ("httpx", "requests", "aiohttp", "urllib.request", "stripe"),
        _network,
        "the network belongs to gateways, drop, kit",
    ),
    (("prometheus_client",), _kit, "metrics are declared through onsale.kit.telemetry"),
    (("smtplib",), _kit, "mail belongs to kit/"),
    (("random", "secrets"), _kit, "chance belongs to kit/"),
)

# Second names for what the house already has a file for. One shape for every room is what lets a reader guess right.
OTHER_NAMES = {
    **dict.fromkeys(("models", "domain", "entities", "types", "dto"), "model.py"),
    **dict.fromkeys(("services", "logic", "manager", "managers", "orchestrator", "crud"), "service.py or a verb"),
    **dict.fromkeys(("stores", "repository", "repositories", "dao", "db", "database", "orm", "queries"), "store.py"),
    **dict.fromkeys(("caches", "redis", "redis_client"), "cache.py"),
    **dict.fromkeys(
        ("views", "api", "endpoints", "handlers", "controllers", "router", "routers"), "routes.py or hot.py"
    ),
    **dict.fromkeys(("schema", "serializers", "dtos"), "schemas.py"),
    **dict.fromkeys(("job", "tasks", "worker", "workers", "celery"), "jobs.py"),
    **dict.fromkeys(("port", "interfaces", "protocols"), "ports.py"),
    **dict.fromkeys(("error", "exceptions", "problems"), "errors.py"),
    **dict.fromkeys(("constants", "consts", "limits"), "onsale/limits.py"),
    **dict.fromkeys(("config", "settings"), "onsale/config.py"),
}


def sql_in(module: Module) -> list[str]:
    """String literals that are SQL statements, f-strings and joined pieces included; docstrings are prose."""
    return [f"{module.at(node)} {text.strip()[:40]!r}" for node, text in house.strings(module) if _is_sql(text.strip())]


def _is_sql(text: str) -> bool:
    first = text.split(maxsplit=1)[0] if text else ""
    return (first.isupper() or first.islower()) and SQL.match(text) is not None


def uncontrolled_in(module: Module) -> list[str]:
    """Clocks, sleeps, chance and bare tasks outside kit/, by whatever name they were imported."""
    if _kit(module):
        return []
    known = house.aliases(module)
    return sorted(
        {f"{module.at(node)} {name}" for node, name in _named(module, known) if house.under(name, UNCONTROLLED)}
    )


def _named(module: Module, known: dict[str, str]) -> Iterator[tuple[ast.AST, str]]:
    """Every name that the file uses and what it stands for; a loop's own create_task counts as asyncio's."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node, house.dotted(node, known)
        if isinstance(node, ast.Attribute) and node.attr == "create_task" and isinstance(node.value, ast.Call):
            loop = house.dotted(node.value.func, known).removeprefix("asyncio.")
            yield node, "asyncio.create_task" if loop in {"get_running_loop", "get_event_loop"} else ""


def strangers_in(module: Module) -> list[str]:
    """Imports of a library outside its home."""
    return [
        f"{module.at(item.node)} imports {item.dotted}: {why}"
        for item in house.imports(module)
        for roots, home, why in LIBRARIES
        if house.under(item.dotted, roots) and not home(module)
    ]


def driver_errors_in(module: Module) -> list[str]:
    """Driver errors caught, or suppressed, outside store.py, cache.py and kit/."""
    if _store(module) or _cache(module):
        return []
    known = house.aliases(module)
    return [f"{module.at(node)} catches {name}" for node, name in _caught(module, known) if _is_driver_error(name)]


def _caught(module: Module, known: dict[str, str]) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(module.tree):
        kinds: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and house.dotted(node.func, known) == "contextlib.suppress":
            kinds = node.args
        for kind in kinds:
            yield node, house.dotted(kind, known) or ast.unparse(kind)


def _is_driver_error(name: str) -> bool:
    return house.under(name, DRIVERS) or name.rsplit(".", 1)[-1] in DRIVER_ERRORS


def environment_in(module: Module) -> list[str]:
    """Reads of the environment outside config.py and kit/."""
    if _kit(module) or module.path == "onsale/config.py":
        return []
    known = house.aliases(module)
    return [
        f"{module.at(node)} reads the environment"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute | ast.Name) and house.dotted(node, known) in {"os.environ", "os.getenv"}
    ]


def misnamed(paths: Iterable[str]) -> list[str]:
    """Files of rooms with a second name for what the house already names, and SQL or Lua outside its place."""
    found = []
    for path in paths:
        parts = path.split("/")
        stem, _, ending = parts[-1].partition(".")
        if len(parts) < 3 or parts[1] not in house.ROOMS:
            continue
        if ending == "py" and stem in OTHER_NAMES:
            found.append(f"src/{path}: the house calls this {OTHER_NAMES[stem]}")
        if ending == "lua" and parts[-2] != "lua":
            found.append(f"src/{path}: scripts of Redis stand in the room's lua/")
        if ending == "sql" and parts[-1] != "queries.sql" and path not in house.OTHER_SQL:
            found.append(f"src/{path}: a room's SQL stands in queries.sql")
    return found


def _over_modules(rule: Callable[[Module], list[str]], why: str) -> None:
    found = [fault for module in house.modules() for fault in rule(module)]
    assert not found, house.told(found, why)


def test_sql_lives_in_sql_files() -> None:
    """SQL with a name in queries.sql is greppable, commented, prepared against the real schema by a test, and never
    built from pieces, so no value can become a statement. In a Python string it is none of that."""
    _over_modules(sql_in, "Give these statements a name in queries.sql:")


def test_time_and_chance_live_in_kit() -> None:
    """What reads a clock, sleeps, draws a number or starts a task by itself cannot be tested over time, nor replayed
    from a seed; a task that nobody holds may vanish half done. kit/ has the one way for each."""
    _over_modules(uncontrolled_in, "Use onsale.kit (clock, ids, chance, tasks) for these:")


def test_libraries_stay_in_their_homes() -> None:
    """Two files may talk to PostgreSQL or Redis for a room, one room to a gateway: so a change of driver, a bound or a
    new failure policy has one place, and a network call inside a transaction has nowhere to hide."""
    _over_modules(strangers_in, "These imports are not at home here:")


def test_driver_errors_become_ours_at_the_driver() -> None:
    """Above store.py and cache.py an error has one of four meanings of ours. Who catches a driver's error higher up
    decides by accident what a lost connection means for a payment."""
    _over_modules(driver_errors_in, "Translate these in store.py, cache.py or kit/:")


def test_the_environment_is_read_once() -> None:
    """A variable read in the middle of the code is a setting that no document lists and no start-up check sees."""
    _over_modules(environment_in, "Make these fields of onsale.config.Settings:")


def test_rooms_use_the_names_of_the_house() -> None:
    """The same few file names in every room let a reader of one room find the way in all; a second name for the same
    thing makes two shapes of every room after it."""
    paths = [path.relative_to(house.SOURCE).as_posix() for path in sorted(house.PACKAGE.rglob("*")) if path.is_file()]
    assert paths, "src/onsale holds no file yet"
    found = misnamed(paths)
    assert not found, house.told(found, "Rename these:")


def _faults(rule: Callable[[Module], list[str]], text: str, path: str = "onsale/inventory/service.py") -> int:
    return len(rule(house.sample(path, text)))


def test_sql_in_python_is_seen() -> None:
    """Negative control: both cases of letters, f-strings and continued literals; prose and docstrings pass."""
    for text in (
        "x = 'SELECT a FROM b'",
        "x = '''\n  select a\n  from b\n'''",
        "x = f'UPDATE {t} SET a = 1'",
        "x = 'delete ' 'from seat'",
        "x = 'INSERT INTO seat VALUES (1)'",
        "x = 'with won as (select 1) select 2'",
        "x = 'SELECT pg_advisory_xact_lock(1)'",
        "x = 'create table seat (a int)'",
        "def f(x='update seat s set a = 1'): pass",
    ):
        assert _faults(sql_in, text) == 1, text
    for text in (
        "'''SELECT a FROM b'''",
        "x = 'Select seats from the map'",
        "x = 'selected from'",
        "x = 'update the seat'",
    ):
        assert _faults(sql_in, text) == 0, text


def test_uncontrolled_time_and_chance_are_seen() -> None:
    """Negative control: each by its plain name and by an alias; kit/ and a task group stay free."""
    for text in (
        "from datetime import datetime\ndatetime.now()",
        "import datetime as d\nd.datetime.now(d.UTC)",
        "from datetime import datetime as dt\nx = dt.utcnow",
        "import time\ntime.time()",
        "from time import time as t\nt()",
        "import asyncio as a\nasync def f(): await a.sleep(1)",
        "import random\nrandom.random()",
        "from secrets import token_bytes\ntoken_bytes(8)",
        "from uuid import uuid4\nuuid4()",
        "import asyncio\nasyncio.create_task(f())",
        "import asyncio\nasyncio.get_running_loop().create_task(f())",
        "import asyncio\nasyncio.ensure_future(f())",
    ):
        assert _faults(uncontrolled_in, text) >= 1, text
        assert _faults(uncontrolled_in, text, "onsale/kit/clock.py") == 0, text
    for text in (
        "from uuid import UUID\nUUID('a')",
        "import asyncio\nasync def f(g): g.create_task(h())",
        "now = 1\nnow",
    ):
        assert _faults(uncontrolled_in, text) == 0, text


def test_a_library_away_from_home_is_seen() -> None:
    """Negative control: each library in a service, and at home."""
    homes = {
        "import psycopg": "onsale/inventory/store.py",
        "from psycopg_pool import AsyncConnectionPool": "onsale/kit/db.py",
        "from redis.asyncio import Redis": "onsale/inventory/cache.py",
        "from onsale.kit import redis": "onsale/app.py",
        "import httpx": "onsale/checkout/gateways/stripe.py",
        "from httpx import AsyncClient": "onsale/drop/load.py",
        "from urllib import request": "onsale/kit/mail.py",
        "import random": "onsale/kit/chance.py",
    }
    for text, home in homes.items():
        assert _faults(strangers_in, text) == 1, text
        assert _faults(strangers_in, text, home) == 0, text
    assert _faults(strangers_in, "import redis", "onsale/inventory/store.py") == 1
    assert _faults(strangers_in, "import psycopg", "onsale/store.py") == 1


def test_a_driver_error_caught_too_high_is_seen() -> None:
    """Negative control: alone, in a tuple, suppressed, and handed on by another module."""
    handler = "try:\n    pass\nexcept {}:\n    pass"
    for text in (
        "import psycopg\n" + handler.format("psycopg.Error"),
        "from psycopg import errors as e\n" + handler.format("(ValueError, e.UniqueViolation)"),
        "from onsale.kit.db import OperationalError\n" + handler.format("OperationalError"),
        "import contextlib, redis\nwith contextlib.suppress(redis.RedisError):\n    pass",
    ):
        assert _faults(driver_errors_in, text) == 1, text
        assert _faults(driver_errors_in, text, "onsale/inventory/store.py") == 0, text
    assert _faults(driver_errors_in, handler.format("ValueError")) == 0


def test_a_read_of_the_environment_is_seen() -> None:
    """Negative control: by attribute and by alias; config.py and kit/ may."""
    for text in (
        "import os\nos.environ['A']",
        "from os import environ as e\ne.get('A')",
        "import os\nos.getenv('A')",
    ):
        assert _faults(environment_in, text) == 1, text
        assert _faults(environment_in, text, "onsale/config.py") == 0, text


def test_a_second_name_is_seen() -> None:
    """Negative control: synonyms of the house's files, and SQL or Lua beside its place."""
    wrong = [
        "onsale/inventory/repository.py",
        "onsale/web/views.py",
        "onsale/live/tail.lua",
        "onsale/guard/rules.sql",
    ]
    right = [
        "onsale/inventory/store.py",
        "onsale/inventory/queries.sql",
        "onsale/drop/audit.sql",
        "onsale/kit/db.py",
    ]
    assert [fault.split(":")[0] for fault in misnamed(wrong + right)] == [f"src/{path}" for path in wrong]
