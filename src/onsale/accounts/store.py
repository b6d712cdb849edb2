"""The rows of accounts, codes and ended sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from onsale.accounts.model import Account, Role, SentCode
from onsale.kit import db
from onsale.kit.ids import PersonKey

SQL = db.load(__package__)


async def write_code(tx: db.Tx, email: str, code_hash: bytes, ttl_s: float, now: datetime | None) -> None:
    named = {"email": email, "code_hash": code_hash, "ttl_s": float(ttl_s), "now": now}
    await tx.execute(SQL.write_code, named)


async def lock_code(tx: db.Tx, email: str, now: datetime | None) -> tuple[SentCode, datetime] | None:
    """The live code of an address, locked, and the database's time. None: there is none."""
    row = await (await tx.execute(SQL.lock_code, {"email": email, "now": now})).fetchone()
    return (SentCode(bytes(row[0]), row[1], row[2]), row[3]) if row else None


async def count_try(tx: db.Tx, email: str) -> None:
    written = (await tx.execute(SQL.count_try, {"email": email})).rowcount
    assert written == 1, "the row is locked, so it is there"


async def drop_code(tx: db.Tx, email: str) -> None:
    written = (await tx.execute(SQL.drop_code, {"email": email})).rowcount
    assert written == 1, "the row is locked, so it is there"


async def forget_codes(tx: db.Tx, now: datetime | None) -> int:
    return (await tx.execute(SQL.forget_codes, {"now": now})).rowcount


async def add_account(tx: db.Tx, person: PersonKey, email: str) -> Account | None:
    """The account of the address, made if it can be. None: there is none, and the person belongs to another one."""
    await tx.execute(SQL.add_account, {"person": person, "email": email})
    return await account_by_email(tx, email)


async def account_by_email(tx: db.Tx, email: str) -> Account | None:
    return _account(await (await tx.execute(SQL.account_by_email, {"email": email})).fetchone())


async def account_of_person(tx: db.Tx, person: PersonKey) -> Account | None:
    return _account(await (await tx.execute(SQL.account_of_person, {"person": person})).fetchone())


async def add_role(tx: db.Tx, email: str, role: Role) -> Account | None:
    return _account(await (await tx.execute(SQL.add_role, {"email": email, "role": role.value})).fetchone())


async def remove_role(tx: db.Tx, email: str, role: Role) -> Account | None:
    return _account(await (await tx.execute(SQL.remove_role, {"email": email, "role": role.value})).fetchone())


def _account(row: Sequence[Any] | None) -> Account | None:
    if row is None:
        return None
    person, email, name, roles, created_at = row
    return Account(PersonKey(person), email, name, frozenset(map(Role, roles)), created_at)


async def revoke_session(tx: db.Tx, session_id: UUID) -> None:
    await tx.execute(SQL.revoke_session, {"session_id": session_id})


async def revoked_after(
    tx: db.Tx, revoked_at: datetime, session_id: UUID, rows_max: int
) -> list[tuple[UUID, datetime]]:
    """At most `rows_max` ended sessions after that place in the order of (time, session)."""
    named = {"revoked_at": revoked_at, "session_id": session_id, "rows_max": rows_max}
    return [(row[0], row[1]) for row in await (await tx.execute(SQL.revoked_after, named)).fetchall()]


async def forget_revocations(tx: db.Tx, kept_s: float, now: datetime | None) -> int:
    return (await tx.execute(SQL.forget_revocations, {"kept_s": float(kept_s), "now": now})).rowcount
