"""Which tables a text of SQL names: enough of a reader for the rule that a table belongs to one room, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Functions in whose brackets FROM is a preposition: extract(epoch from at).
PREPOSITIONS = {"extract", "substring", "trim", "overlay", "position", "btrim"}
_AFTER_TABLE = {
    *(
        "where",
        "join",
        "on",
        "using",
        "set",
        "group",
        "order",
        "limit",
        "for",
        "left",
        "right",
        "inner",
        "cross",
        "full",
    ),
    *(
        "natural",
        "union",
        "returning",
        "values",
        "select",
        "when",
        "default",
        "having",
        "window",
        "offset",
        "except",
    ),
    *("intersect", "with", "tablesample", "fetch", "do", "conflict", "then", "from", "lateral"),
}


def tokens(sql: str) -> list[str]:
    """Words and signs of SQL in lower case, without comments, literals and parameters."""
    sql = re.sub(r"--[^\n]*|/\*[\s\S]*?\*/", " ", sql)
    sql = re.sub(r"'(?:[^']|'')*'|%\(\w+\)s", " 0 ", sql).replace('"', "")
    return re.findall(r"[a-z_][\w.]*|\d+|[^\s\w]", sql.lower())


def tables(sql: str) -> set[str]:
    """The tables that a query names after FROM, JOIN, INTO, UPDATE and their like; not its own CTEs, nor functions."""
    words = tokens(sql)
    own = {words[i] for i in range(len(words)) if _names_cte(words, i)}
    return {name.removeprefix("public.") for name in _named(words) if name not in own}


def _names_cte(words: list[str], at: int) -> bool:
    """`x as (`, `x as materialized (` or `x (a, b) as (`, after WITH or a comma."""
    if at == 0 or words[at - 1] not in {"with", "recursive", ","}:
        return False
    after = at + 1
    if words[after : after + 1] == ["("]:
        after = _close(words, after) + 1
    rest = [word for word in words[after : after + 4] if word not in {"not", "materialized"}]
    return rest[:2] == ["as", "("]


def _named(words: list[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        bracket = words[at + 1 : at + 2] == ["("]
        reads = word == "join" or (word == "using" and not bracket)
        reads |= word == "from" and before != "distinct" and not _in_preposition(words, at)
        writes = word in {"into", "truncate"} or (word == "update" and before not in {"for", "do", "key", "on"})
        writes |= word == "table" and before in {"lock", "create", "unlogged", "alter", "drop"}
        if reads:
            yield from _list(words, at + 1)
        elif writes:
            yield from _target(words, at + 1)


def _target(words: list[str], at: int) -> Iterator[str]:
    """The one table of INSERT INTO, UPDATE, TRUNCATE or a definition, whatever follows it."""
    while words[at : at + 1] and words[at] in {"only", "table", "if", "not", "exists"}:
        at += 1
    if words[at : at + 1] and words[at] not in {"set", "strict"} and words[at][0].isalpha():
        yield words[at]


def _list(words: list[str], at: int) -> Iterator[str]:
    """A list of tables with aliases, up to the next clause: `seat s, only hold as h, unnest(x) t(a)`."""
    while at < len(words):
        while words[at : at + 1] and words[at] in {"only", "lateral", "("} and words[at + 1 : at + 2] != ["select"]:
            at += 1
        if words[at : at + 1] == ["("]:
            at = _close(words, at) + 1
        elif words[at + 1 : at + 2] == ["("]:
            at = _close(words, at + 1) + 1
        elif at < len(words):
            if words[at][0].isalpha() or words[at][0] == "_":
                yield words[at]
            at += 1
        at = _alias(words, at)
        if words[at : at + 1] != [","]:
            return
        at += 1


def _alias(words: list[str], at: int) -> int:
    """The place after an alias, with its list of columns if it has one."""
    if words[at : at + 2] == ["with", "ordinality"]:
        at += 2
    if words[at : at + 1] == ["as"]:
        at += 1
    if words[at : at + 1] and words[at][0].isalpha() and words[at] not in _AFTER_TABLE:
        at += 1
        if words[at : at + 1] == ["("]:
            at = _close(words, at) + 1
    return at


def _close(words: list[str], at: int) -> int:
    """The bracket that closes the one at `at`; the end of the text when none does."""
    depth = 0
    for place in range(at, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place], 0)
        if depth == 0:
            return place
    return len(words) - 1


def _in_preposition(words: list[str], at: int) -> bool:
    """Whether the innermost bracket around `at` belongs to a function that uses FROM as a preposition."""
    depth = 0
    for place in range(at - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(words[place], 0)
        if depth < 0:
            return words[place - 1] in PREPOSITIONS
    return False


def created(text: str) -> set[str]:
    """The tables that a migration creates; partitions belong to their parent."""
    sql = " ".join(tokens(text))
    pattern = r"create (?:unlogged )?table (?:if not exists )?([\w.]+)(?! partition of)"
    return {name.removeprefix("public.") for name in re.findall(pattern + r"\b", sql)}
