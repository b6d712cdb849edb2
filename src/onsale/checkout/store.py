"""The rows of orders and payments."""

from collections.abc import Sequence
from typing import Any

from onsale.checkout.model import Item, Order, OrderState, Payment, PaymentState
from onsale.kit import db
from onsale.kit.ids import PersonKey, ShardId

SQL = db.load(__package__)


async def claim_holds(tx: db.Tx, shard_id: ShardId, order_id: int, holds: Sequence[tuple[ShardId, int]]) -> int:
    """Claim the holds for an order, as far as no other active order has them; how many that were."""
    named = {
        "shard_id": shard_id,
        "order_id": order_id,
        "hold_shard_ids": [hold_shard for hold_shard, _ in holds],
        "hold_ids": [hold_id for _, hold_id in holds],
    }
    return len(await (await tx.execute(SQL.claim_holds, named)).fetchall())


async def order_of_hold(tx: db.Tx, shard_id: ShardId, hold: tuple[ShardId, int]) -> int | None:
    named = {"shard_id": shard_id, "hold_shard_id": hold[0], "hold_id": hold[1]}
    row = await (await tx.execute(SQL.order_of_hold, named)).fetchone()
    return row[0] if row else None


async def lock_key(tx: db.Tx, shard_id: ShardId, person: PersonKey, key_half: bytes) -> None:
    """Wait for other requests of that person with that key; the lock ends with the transaction."""
    await tx.execute(SQL.lock_key, {"shard_id": shard_id, "person": person, "key_half": key_half})


async def order_of_key(tx: db.Tx, shard_id: ShardId, person: PersonKey, key_half: bytes) -> tuple[int, bytes] | None:
    """The order an earlier request with this key made, and the whole hash of key and body."""
    named = {"shard_id": shard_id, "person": person, "key_half": key_half}
    row = await (await tx.execute(SQL.order_of_key, named)).fetchone()
    return (row[0], bytes(row[1])) if row else None


async def write_order(tx: db.Tx, order: Order, items: Sequence[Item], key_hash: bytes | None) -> None:
    named = {
        "shard_id": order.shard_id,
        "order_id": order.order_id,
        "person": order.person,
        "email": order.email,
        "phone": order.phone,
        "currency": order.currency,
        "face_minor": order.face_minor,
        "fee_minor": order.fee_minor,
        "total_minor": order.total_minor,
        "key_hash": key_hash,
    }
    await tx.execute(SQL.write_order, named)
    arrays = {
        "shard_id": order.shard_id,
        "order_id": order.order_id,
        "seat_shard_ids": [item.shard_id for item in items],
        "seat_nos": [item.seat_no for item in items],
        "tiers": [item.tier for item in items],
        "faces": [item.face_minor for item in items],
        "fees": [item.fee_minor for item in items],
    }
    await tx.execute(SQL.write_items, arrays)


async def write_contact(tx: db.Tx, shard_id: ShardId, order_id: int, email: str, phone: str | None) -> None:
    await tx.execute(SQL.write_contact, {"shard_id": shard_id, "order_id": order_id, "email": email, "phone": phone})


async def read_order(tx: db.Tx, shard_id: ShardId, order_id: int, *, lock: bool = False) -> Order | None:
    """One order; `lock` takes its row first, as every payment step does."""
    named = {"shard_id": shard_id, "order_id": order_id}
    if lock:
        await tx.execute(SQL.lock_order, named)
    row = await (await tx.execute(SQL.read_order, named)).fetchone()
    if row is None:
        return None
    holds = tuple((ShardId(hold_shard), hold_id) for hold_shard, hold_id in zip(row[11], row[12], strict=True))
    shard, order, person, state, email, phone, currency, face, fee, total, created_at = row[:11]
    return Order(shard, order, person, OrderState(state), email, phone, currency, face, fee, total, created_at, holds)


async def see_one_moment(tx: db.Tx) -> None:
    """First in a transaction that reads several tables and must not mix what was before a commit and after it."""
    await tx.execute(SQL.see_one_moment)


async def read_items(tx: db.Tx, shard_id: ShardId, order_id: int) -> list[Item]:
    cursor = await tx.execute(SQL.read_items, {"shard_id": shard_id, "order_id": order_id})
    return [Item(*row) for row in await cursor.fetchall()]


async def read_payments(tx: db.Tx, shard_id: ShardId, order_id: int) -> list[Payment]:
    cursor = await tx.execute(SQL.read_payments, {"shard_id": shard_id, "order_id": order_id})
    return [
        Payment(shard, order, attempt, PaymentState(state), gateway, method, currency, amount, ref, decline)
        for shard, order, attempt, state, gateway, method, currency, amount, ref, decline in await cursor.fetchall()
    ]


async def start_payment(tx: db.Tx, payment: Payment) -> None:
    named = {
        "shard_id": payment.shard_id,
        "order_id": payment.order_id,
        "attempt": payment.attempt,
        "gateway": payment.gateway,
        "method": payment.method,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
    }
    await tx.execute(SQL.start_payment, named)


async def step_payment(
    tx: db.Tx, payment: Payment, to: PaymentState, *, ref: str | None = None, decline_code: str | None = None
) -> bool:
    """Move a payment from the state we know it in; False when somebody else moved it first."""
    named = {
        "shard_id": payment.shard_id,
        "order_id": payment.order_id,
        "attempt": payment.attempt,
        "from_state": int(payment.state),
        "to_state": int(to),
        "gateway_ref": ref or None,
        "decline_code": decline_code,
    }
    return await (await tx.execute(SQL.step_payment, named)).fetchone() is not None


async def step_order(tx: db.Tx, order: Order, to: OrderState) -> None:
    """Move an order whose row we have locked."""
    named = _key(order) | {"from_state": int(order.state), "to_state": int(to)}
    row = await (await tx.execute(SQL.step_order, named)).fetchone()
    assert row is not None, "a locked order does not change under us"


async def free_holds(tx: db.Tx, order: Order) -> None:
    await tx.execute(SQL.free_holds, _key(order))


async def unfinished_payments(tx: db.Tx, after_s: float, rows_max: int) -> list[tuple[ShardId, int, int]]:
    """(shard, order, attempt) of payments that stood still for that long; the same are not given twice meanwhile."""
    cursor = await tx.execute(SQL.unfinished_payments, {"after_s": after_s, "rows_max": rows_max})
    return [(ShardId(shard_id), order_id, attempt) for shard_id, order_id, attempt in await cursor.fetchall()]


def _key(order: Order) -> dict[str, Any]:
    return {"shard_id": order.shard_id, "order_id": order.order_id}
