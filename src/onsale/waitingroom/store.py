"""Lines as PostgreSQL knows them: what may have been given, and what is left out."""

from onsale import limits
from onsale.kit import db
from onsale.kit.ids import ShardId
from onsale.waitingroom.model import Board, Gap, Handed, merged

SQL = db.load(__package__)


async def open_line(tx: db.Tx, shard_id: ShardId) -> None:
    await tx.execute(SQL.open_line, {"shard_id": shard_id})


async def read(tx: db.Tx, shard_id: ShardId) -> Board | None:
    """The board as PostgreSQL knows it, about a second old. None: the event has no line."""
    row = await (await tx.execute(SQL.read_line, {"shard_id": shard_id})).fetchone()
    return None if row is None else Board(row[0], row[4], row[5], merged(await gaps(tx, shard_id)))


async def begin_alone(tx: db.Tx, shard_id: ShardId) -> None:
    """Wait until nobody else begins an epoch of the line, and keep them waiting until the transaction ends."""
    await tx.execute(SQL.begin_alone, {"shard_id": shard_id})


async def begin_epoch(tx: db.Tx, shard_id: ShardId) -> Handed | None:
    """The next epoch; nobody stands in what is unused of the one before. None: the event has no line."""
    row = await (await tx.execute(SQL.lock_line, {"shard_id": shard_id})).fetchone()
    if row is None:
        return None
    _, _, after, handed, _, given = row
    await leave_out(tx, shard_id, Gap(max(after, min(given, handed)), handed))
    cursor = await tx.execute(SQL.begin_epoch, {"shard_id": shard_id, "block": limits.NUMBERS_AHEAD_MAX})
    row = await cursor.fetchone()
    assert row is not None
    return Handed(row[0], row[2], row[3])


async def raise_ceiling(tx: db.Tx, shard_id: ShardId, epoch: int, known: int) -> Handed | None:
    """What is handed out beyond the ceiling `known`, whoever asks first. None: that epoch is over."""
    named = {"shard_id": shard_id, "epoch": epoch, "known": known, "block": limits.NUMBERS_AHEAD_MAX}
    row = await (await tx.execute(SQL.raise_ceiling, named)).fetchone()
    return None if row is None else Handed(row[0], row[2], row[3])


async def reserve(tx: db.Tx, shard_id: ShardId) -> range | None:
    """Numbers that nobody else will give. None: the event has no line."""
    block = limits.NUMBERS_RESERVED_MAX
    row = await (await tx.execute(SQL.reserve_numbers, {"shard_id": shard_id, "block": block})).fetchone()
    return None if row is None else range(row[1] - block + 1, row[1] + 1)


async def leave_out(tx: db.Tx, shard_id: ShardId, gap: Gap) -> None:
    """Nobody stands in that gap, if it is one. Told again, nothing changes."""
    if gap.after < gap.until:
        await tx.execute(SQL.leave_out, {"shard_id": shard_id, "after": gap.after, "until": gap.until})


async def note_given(tx: db.Tx, shard_id: ShardId, epoch: int, given: int) -> None:
    await tx.execute(SQL.note_given, {"shard_id": shard_id, "epoch": epoch, "given": given})


async def gaps(tx: db.Tx, shard_id: ShardId) -> list[Gap]:
    rows = await (await tx.execute(SQL.gaps, {"shard_id": shard_id})).fetchall()
    return [Gap(after, until) for after, until in rows]
