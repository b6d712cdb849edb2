"""Words: units last, a why beside every bound, and one word for one thing."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import house
from .house import Module

# What the last word of a number may be: its unit, what it counts, or which end of a range it is.
UNITS = (
    *(
        "s",
        "ms",
        "us",
        "minutes",
        "hours",
        "days",
        "bytes",
        "chars",
        "length",
        "cm",
        "km",
        "minor",
        "percent",
        "share",
    ),
    *("rows", "seats", "digits", "processes", "bits", "max", "min", "default", "port"),
)
UNIT = re.compile(rf"(?:^|_)(?:{'|'.join(UNITS)}|per_[a-z]+)$", re.IGNORECASE)
# A name with one of these is a duration, so that `ttl_max` or `retry_default` alone would leave the reader guessing.
DURATION = re.compile(
    r"(?:^|_)(?:ttl|timeout|wait|grace|every|after|kept|window|lag|age|delay|interval)(?:_|$)", re.IGNORECASE
)
TIME_UNIT = re.compile(r"_(?:s|ms|us|minutes|hours|days)$", re.IGNORECASE)

# One comment may explain a few constants that stand together (the shortest and the longest hold), not a page of them.
CONSTANTS_PER_COMMENT_MAX = 3
# Fewer words than this name a thing and do not say why.
WHY_WORDS_MIN = 4

# Synonyms that the field uses loosely, and the house's word for each (design.md section 4, GLOSSARY.md).
FORBIDDEN = {"reservation": "hold", "reserve_seat": "hold", "queue_number": "number"}
# What a class or a table may not be called, though the word may stand in a sentence or a report of bench/.
FORBIDDEN_KINDS = {"booking": "order"}


def numbers(module: Module) -> Iterator[tuple[ast.Assign | ast.AnnAssign, str]]:
    """Constants and fields of the file that are numbers, or tuples of numbers, by value or by annotation."""
    bodies = [
        module.tree.body,
        *(node.body for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)),
    ]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.Assign) and _is_number(node.value):
            yield from ((node, target.id) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kind = ast.unparse(node.annotation)
            if re.search(r"\b(int|float)\b", kind) or (node.value is not None and _is_number(node.value)):
                yield node, node.target.id


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) or _is_number(node.right)
    return isinstance(node, ast.Tuple) and bool(node.elts) and all(_is_number(item) for item in node.elts)


def without_unit(module: Module) -> list[str]:
    """Numbers whose last word is no unit, and durations whose last word is no unit of time."""
    found = []
    for node, name in numbers(module):
        if DURATION.search(name) and not TIME_UNIT.search(name):
            found.append(f"{module.at(node)} {name} is a duration: end it in _s or _ms")
        elif not UNIT.search(name):
            found.append(f"{module.at(node)} {name} does not end in its unit")
    return found


def constants(module: Module) -> Iterator[ast.Assign | ast.AnnAssign]:
    """Every constant of a limits file, numeric or not."""
    for node in module.tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and not target.id.startswith("_") for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            yield node


def without_why(module: Module) -> list[str]:
    """Constants that no comment explains: on their own line, above them (or above the few that stand with them), or
    below them at the end of a block."""
    comments = _comments(module.text)
    lines = {line: node for node in constants(module) for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    return [
        f"{module.at(node)} {ast.unparse(node).split(' =')[0]}"
        for node in constants(module)
        if not _why(node, comments, lines)
    ]


def _why(node: ast.stmt, comments: dict[int, str], lines: dict[int, ast.Assign | ast.AnnAssign]) -> bool:
    end = node.end_lineno or node.lineno
    if any(_says_why(comments.get(line, "")) for line in range(node.lineno, end + 1)):
        return True
    above, standing = node.lineno - 1, {id(node)}
    while above in lines and above not in comments:
        standing.add(id(lines[above]))
        above -= 1
    if len(standing) <= CONSTANTS_PER_COMMENT_MAX and above not in lines and _says_why(_block(comments, above, -1)):
        return True
    below = end + 1
    while below in comments and below not in lines:
        below += 1
    return below not in lines and _says_why(_block(comments, end + 1, 1))


def _block(comments: dict[int, str], line: int, step: int) -> str:
    text: list[str] = []
    while line in comments:
        text.append(comments[line])
        line += step
    return " ".join(text)


def _says_why(comment: str) -> bool:
    return len(re.findall(r"[A-Za-z]{2,}", comment)) >= WHY_WORDS_MIN


def _comments(text: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT and "---" not in token.string
    }


def identifiers(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every name the file gives or uses: variables, attributes, arguments, functions, classes, keywords, imports."""
    for node in ast.walk(module.tree):
        for field in ("id", "attr", "arg", "name", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield node, value


def snake(name: str) -> str:
    """`QueueNumber` and `QUEUE_NUMBER` are the same words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def wrong_words(module: Module) -> list[str]:
    """Identifiers with a word for which the house has another."""
    found = {
        f"{module.at(node)} {name}: say {ours}"
        for node, name in identifiers(module)
        for word, ours in (FORBIDDEN | (FORBIDDEN_KINDS if isinstance(node, ast.ClassDef) else {})).items()
        if word in snake(name)
    }
    return sorted(found)


def wrong_sql_words(name: str, text: str) -> list[str]:
    """The same for the names in an SQL file; its comments are prose."""
    code = re.sub(r"--[^\n]*|/\*[\s\S]*?\*/", "", text).lower()
    tables = " ".join(re.findall(r"\btable\s+(?:if\s+not\s+exists\s+)?(\w+)", code))
    return [f"{name}: say {ours}, not {word}" for word, ours in FORBIDDEN.items() if word in code] + [
        f"{name}: say {ours}, not {word}" for word, ours in FORBIDDEN_KINDS.items() if word in tables
    ]


def limit_files(modules: Iterable[Module]) -> list[Module]:
    """limits.py, and the limits of a program of its own such as the sandbox gateway."""
    found = [module for module in modules if module.file.endswith("limits.py")]
    assert any(module.path == "onsale/limits.py" for module in found), "src/onsale/limits.py does not exist yet"
    return found


def test_numbers_carry_their_unit_last() -> None:
    """A timeout of 5 is a bug waiting for somebody who thinks in milliseconds; `timeout_s = 5` cannot be misread.
    Limits and settings are where people change numbers without reading the code that uses them."""
    house.required("src/onsale/config.py")
    files = [*limit_files(house.modules()), *(m for m in house.modules() if m.path == "onsale/config.py")]
    found = [fault for module in files for fault in without_unit(module)]
    assert not found, house.told(found, "End these names in their unit, as in hold_ttl_s or queue_depth_max:")


def test_every_bound_says_why() -> None:
    """A bound without a reason is either never changed again or changed by whoever is in a hurry on sale day. The
    reason tells which of the two is right."""
    found = [fault for module in limit_files(house.modules()) for fault in without_why(module)]
    assert not found, house.told(found, "Say why these have their value, in a comment beside them:")


def test_relations_between_bounds_are_asserted() -> None:
    """Two bounds that only work together (a payment's extension and the gateway's timeout) are changed one at a time;
    an assert at import is the one place that stops the process before the sale does."""
    for module in limit_files(house.modules()):
        assert _asserts(module), f"src/{module.path} asserts nothing about how its bounds relate"


def test_words_of_the_house_are_used() -> None:
    """One word, one meaning: where a hold is also called a reservation, a reader looks for the difference, and a writer
    invents one."""
    found = [fault for module in house.modules() for fault in wrong_words(module)]
    for path in sorted(house.PACKAGE.rglob("*.sql")):
        found += wrong_sql_words(path.relative_to(house.ROOT).as_posix(), path.read_text(encoding="utf-8"))
    assert not found, house.told(found, "The house has another word for these:")


def _asserts(module: Module) -> bool:
    return any(isinstance(node, ast.Assert) for node in module.tree.body)


def _limits(text: str) -> Module:
    return house.sample("onsale/limits.py", text)


def test_a_number_without_a_unit_is_seen() -> None:
    """Negative control: constants, fields, tuples and computed values; a duration needs a unit of time."""
    for text in (
        "BODY = 16 * 1024",
        "RATE = (1, 2)",
        "SPEED: float = 1",
        "class S:\n    speed: int = _setting('A', 'b', 5)",
        "class S:\n    speed: int | None = None",
        "HOLD_TTL = 300",
        "HOLD_TTL_MAX = 300",
        "RETRY_AFTER_DEFAULT = 3",
    ):
        assert len(without_unit(_limits(text))) == 1, text
    for text in (
        "BODY_MAX_BYTES = 16 * 1024",
        "HOLD_TTL_MAX_S = -3",
        "port: int = 1",
        "A_PER_S = 1",
        "FLAG = True",
        "NAME = 'a'",
    ):
        assert not without_unit(_limits(text)), text


def test_a_bound_without_a_why_is_seen() -> None:
    """Negative control: no comment, a headline, too few words, another bound's comment, and the fourth under one."""
    why = "# The longest honest body is a few kilobytes.\n"
    for text in (
        "A_S = 1\n",
        "# --- holds and their many bounds ------\nA_S = 1\n",
        "# Holds.\nA_S = 1\n",
        f"A_S = 1\n{why}B_S = 2\n",
        f"{why}\nA_S = 1\n",
        f"{why}A_S = 1\nB_S = 1\nC_S = 1\nD_S = 1\n",
    ):
        assert len(without_why(_limits(text))) == 1, text
    for text in (
        f"{why}A_S = 1\nB_S = 2\n",
        f"A_S = 1  {why}",
        f"A_S = 1\n{why}\nx()\n",
        f"{why}A = (\n  1,\n)\n",
    ):
        assert not without_why(_limits(text)), text


def test_limits_without_an_assert_are_seen() -> None:
    """Negative control."""
    assert not _asserts(_limits("A_S = 1"))
    assert _asserts(_limits("A_S = 1\nassert A_S > 0"))


def test_a_wrong_word_is_seen(tmp_path: Path) -> None:
    """Negative control: in each kind of name, in any case, and in SQL; comments and other uses pass."""
    for text in (
        "class SeatReservation: pass",
        "def reserve_seats(): pass",
        "x.queueNumber = 1",
        "QUEUE_NUMBER = 1",
        "f(reservation_id=1)",
        "def f(reservation): pass",
        "from a import b as reservation",
        "class Booking: pass",
    ):
        assert wrong_words(_limits(text)), text
    for text in ("bookings_per_s = 1", "# a reservation\nx = 'reservation'", "reserved = 1"):
        assert not wrong_words(_limits(text)), text
    assert wrong_sql_words("a.sql", "CREATE TABLE IF NOT EXISTS booking (a int)")
    assert wrong_sql_words("a.sql", "select queue_number from place")
    assert not wrong_sql_words("a.sql", "-- no reservation here\nselect booking_fee from orders")
