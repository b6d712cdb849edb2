"""The referee: runs every check of audit.sql in one read-only snapshot, and holds the gateway's book against it.

It trusts nobody: not the constraints, not the code, only the rows. It may be called while a sale goes on; what it sees
is one moment of the database. The book is of another moment, so what differs there is looked at twice.
"""

from typing import Any

import msgspec
from rich.table import Table

from onsale.drop import book, store
from onsale.drop.drop_limits import EXAMPLES_MAX, SECOND_LOOK_S, STUCK_AFTER_S
from onsale.drop.store import Eyes
from onsale.kit import clock, ids


class Check(msgspec.Struct, frozen=True):
    """One check: its name in audit.sql, what it proves, how many rows break it, and the first of them."""

    name: str
    invariant: str
    broken: int
    examples: list[str]


class Verdict(msgspec.Struct, frozen=True):
    """All checks. `looked_at` counts the rows of each table, since nothing is wrong with an empty house.

    book_compared is False when no gateway was given: then nobody has asked where the money is.
    """

    good: bool
    checks: list[Check]
    looked_at: dict[str, int]
    book_compared: bool

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if check.broken]

    def table(self) -> Table:
        """For people: what is broken first."""
        seen = ", ".join(f"{count:,} {name}" for name, count in self.looked_at.items())
        book_seen = "and the gateway's book" if self.book_compared else "but not the gateway's book"
        word = "good, no invariant is broken" if self.good else "BROKEN"
        title, caption = f"Referee: {word}", f"looked at {seen}, {book_seen}"
        table = Table(title=title, caption=caption, caption_justify="left")
        table.add_column("check")
        table.add_column("broken", justify="right")
        table.add_column("what it proves, and what breaks it")
        for check in sorted(self.checks, key=lambda check: -check.broken):
            style = "bold red" if check.broken else None
            told = "\n".join([check.invariant, *check.examples])
            table.add_row(check.name, f"{check.broken:,}", told, style=style)
        return table


async def referee(
    database_url: str,
    gateway_url: str | None = None,
    gateway_key: str = "sk_sandbox_onsale",
    *,
    stuck_after_s: float = STUCK_AFTER_S,
) -> Verdict:
    """Check every invariant, and the sandbox gateway's book where its address is given (without `/book`).

    Raises kit.db.DatabaseAway when the database does not answer, RequestFailed when the gateway does not.
    """
    async with store.eyes(database_url) as eyes:
        async with eyes.moment():
            checks = [await _check(eyes, name, stuck_after_s) for name in store.CHECKS]
            (looked_at,) = [row async for rows in eyes.rows("looked_at") for row in rows]
        if gateway_url:
            checks += await _book_checks(eyes, gateway_url, gateway_key)
    good = not any(check.broken for check in checks)
    return Verdict(good=good, checks=checks, looked_at=looked_at, book_compared=bool(gateway_url))


async def _check(eyes: Eyes, name: str, stuck_after_s: float) -> Check:
    """One check, counted whole but told in part."""
    examples: list[str] = []
    broken = 0
    async for rows in eyes.rows(name, stuck_after_s=stuck_after_s):
        broken += len(rows)
        examples += [_told(row) for row in rows[: EXAMPLES_MAX - len(examples)]]
    return Check(name, invariant_of(store.SQL.texts[name]), broken, examples)


def invariant_of(query: str) -> str:
    """The comment above a query, in one line."""
    lines = [line.removeprefix("--").strip() for line in query.splitlines() if line.startswith("--")]
    return " ".join(lines)


def _told(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


async def _book_checks(eyes: Eyes, gateway_url: str, key: str) -> list[Check]:
    """What differs at both looks. One look could catch a payment between its capture there and its row here."""
    broken = book.compare(await _payments(eyes), await book.read_book(gateway_url, key))
    if any(broken.values()):
        await clock.sleep(SECOND_LOOK_S)
        again = book.compare(await _payments(eyes), await book.read_book(gateway_url, key))
        broken = {name: [line for line in again[name] if line in set(broken[name])] for name in broken}
    return [Check(name, book.CHECKS[name], len(lines), lines[:EXAMPLES_MAX]) for name, lines in broken.items()]


async def _payments(eyes: Eyes) -> list[book.Payment]:
    """Payments that need a gateway, under their orders' public ids."""
    async with eyes.moment():
        return [_payment(row) async for rows in eyes.rows("payments") for row in rows]


def _payment(row: dict[str, Any]) -> book.Payment:
    order = ids.public("ord", ids.ShardId(row["shard_id"]), row["order_id"])
    return book.Payment(order, row["attempt"], row["state"], row["amount_minor"], row["currency"])
