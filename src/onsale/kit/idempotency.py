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
        stored = await known(tx, scope, key, body)
        assert stored is not None, "a key's row commits together with its answer"
        return stored
    status, answer = await effect()
    await tx.execute(SQL.keep_answer, {**named, "status": status, "answer": answer})
    return status, answer


async def known(tx: db.Tx, scope: str, key: str | None, body: bytes) -> Answer | None:
    """The answer this request got before, if it is a repeated one. Raises KeyReused if the key came with another body.

    For what must be asked before the effect and outside its transaction, as a quota in Redis: `once` still decides.
    """
    if key is None:
        return None
    row = await (await tx.execute(SQL.stored_answer, {"scope": scope, "key": key})).fetchone()
    if row is None or row[1] is None:
        return None
    if not tokens.same(bytes(row[0]), tokens.digest(body)):
        raise KeyReused
    return row[1], bytes(row[2])


async def forget(tx: db.Tx, rows_max: int) -> int:
    """Delete answers older than the time for which keys are honoured, so many at the most; how many those were."""
    cursor = await tx.execute(SQL.forget_answers, {"kept_s": limits.IDEMPOTENCY_KEPT_S, "rows_max": rows_max})
    return len(await cursor.fetchall())


async def take_back(tx: db.Tx, scope: str, key: str | None) -> None:
    """Forget an answer whose effect failed after all, beyond the transaction: the next request does it again."""
    if key is not None:
        await tx.execute(SQL.take_answer_back, {"scope": scope, "key": key})
