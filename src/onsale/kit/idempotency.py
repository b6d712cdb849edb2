"""`Idempotency-Key` on ordinary writes: the same request again gets the same answer, and happens once.

Scope is principal + route. The key's row is inserted in the effect's transaction, so concurrent duplicates wait for the
first; refusals roll it back and are not stored. Hot writes keep the key in their own row instead (hold, order).
"""

from collections.abc import Awaitable, Callable

from onsale import limits
from onsale.kit import db, tokens
from onsale.kit.problems import Invalid, KeyReused

SQL = db.load(__package__)

Answer = tuple[int, bytes]
"""HTTP status and JSON body."""


def checked(key: str | None) -> str | None:
    """The header's value, or None. Raises Invalid for one that is empty, too long or not plain ASCII."""
    if key is None:
        return None
    if not 0 < len(key) <= limits.IDEMPOTENCY_KEY_MAX_LENGTH or not key.isascii() or not key.isprintable():
        raise Invalid("Idempotency-Key must be 1 to 128 printable ASCII characters")
    return key


async def once(tx: db.Tx, scope: str, key: str | None, body: bytes, effect: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of `effect`, or of the earlier request with this key. Raises KeyReused if that had another body."""
    if key is None:
        return await effect()
    named = {"scope": scope, "key": key}
    body_hash = tokens.digest(body)
    claimed = await (await tx.execute(SQL.claim_answer, {**named, "body_hash": body_hash})).fetchone()
    if claimed is None:
        row = await (await tx.execute(SQL.stored_answer, named)).fetchone()
        assert row is not None and row[1] is not None, "a key's row commits together with its answer"
        if not tokens.same(bytes(row[0]), body_hash):
            raise KeyReused
        return row[1], bytes(row[2])
    status, answer = await effect()
    await tx.execute(SQL.keep_answer, {**named, "status": status, "answer": answer})
    return status, answer


async def forget(tx: db.Tx) -> None:
    """Delete answers older than the time for which keys are honoured."""
    await tx.execute(SQL.forget_answers, {"kept_s": limits.IDEMPOTENCY_KEPT_S})


async def take_back(tx: db.Tx, scope: str, key: str | None) -> None:
    """Forget an answer whose effect failed after all, beyond the transaction: the next request does it again."""
    if key is not None:
        await tx.execute(SQL.take_answer_back, {"scope": scope, "key": key})
