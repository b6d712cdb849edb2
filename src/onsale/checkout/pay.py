"""Paying: charged once, or not at all.

A payment is a row before the gateway is called, and moves only by what the gateway says, one conditional step at a
time: authorise -> (one transaction: seats sold, tickets issued, order paid) -> capture. `drive` takes the steps, for
the request that started the payment and for the reconciler alike; either may die at any point, the other goes on.
No transaction is open and no lock held while the gateway is asked.
"""

import asyncio
from dataclasses import replace

from onsale import limits
from onsale.checkout import store
from onsale.checkout.errors import HoldLost, MoneyNotReceived, OrderNotFound, TooManyAttempts, UnknownMethod
from onsale.checkout.facts import CaptureFailed, OrderPaid, PaymentCaptured, PaymentFailed, PaymentStarted
from onsale.checkout.gateways import Gateway, GatewayState, Intent, NothingToPay, Outcome, idempotency_key
from onsale.checkout.model import (
    PREFIX,
    UNDER_WAY,
    Order,
    OrderState,
    Payment,
    PaymentState,
    after_authorising,
    after_capturing,
    after_refunding,
    after_voiding,
)
from onsale.inventory import Hold, Inventory
from onsale.kit import db, ids, telemetry
from onsale.kit.facts import Facts
from onsale.kit.ids import ShardId
from onsale.tickets import NewTicket, Tickets

payments_ended = telemetry.counter(
    "onsale_payments_total", "Payments that came to an end, by how: captured, declined, voided, ...", ["end"]
)

# Authorise, capture; or authorise, void, refund: a payment ends within this many steps.
_STEPS_MAX = 4


class Payments:
    def __init__(
        self,
        database: db.Database,
        inventory: Inventory,
        tickets: Tickets,
        facts: Facts,
        gateway: Gateway,
        gateway_name: str,
    ) -> None:
        self._database = database
        self._inventory = inventory
        self._tickets = tickets
        self._facts = facts
        self._gateway = gateway
        self._gateway_name = gateway_name
        self._nothing_to_pay = NothingToPay()

    async def pay(self, shard_id: ShardId, order_id: int, method: str) -> None:
        """Start a payment and take it as far as the gateway lets us now; the order says where it stands.

        An order that is paid, or being paid, is left as it is: a double click pays once.
        """
        if method not in self._gateway.methods:
            raise UnknownMethod(methods=sorted(self._gateway.methods))
        payment = await self._start(shard_id, order_id, method)
        if payment is not None:
            await self.drive(payment)

    async def _start(self, shard_id: ShardId, order_id: int, method: str) -> Payment | None:
        """Keep the seats for long enough and write the attempt; None when there is nothing to start."""
        async with self._database.pipelined(shard_id) as tx:
            order = await self._locked(tx, shard_id, order_id)
            earlier = await store.read_payments(tx, shard_id, order_id)
            if order.state is OrderState.LOST:
                raise HoldLost
            if order.state is OrderState.CAPTURE_FAILED:
                raise MoneyNotReceived
            if order.state is not OrderState.PENDING or any(payment.state in UNDER_WAY for payment in earlier):
                return None
            if len(earlier) >= limits.PAYMENT_ATTEMPTS_MAX:
                raise TooManyAttempts
            await self._keep_seats(tx, order)
            payment = Payment(
                shard_id,
                order_id,
                len(earlier) + 1,
                PaymentState.AUTHORISING,
                self._gateway_name if order.total_minor else "none",
                method,
                order.currency,
                order.total_minor,
            )
            await store.start_payment(tx, payment)
            fact = PaymentStarted(shard_id=shard_id, order_id=order_id, attempt=payment.attempt)
            await self._facts.record(tx, fact)
        return payment

    async def _locked(self, tx: db.Tx, shard_id: ShardId, order_id: int) -> Order:
        order = await store.read_order(tx, shard_id, order_id, lock=True)
        if order is None:
            raise OrderNotFound
        return order

    async def _keep_seats(self, tx: db.Tx, order: Order) -> None:
        """Extend every hold, or raise HoldLost, which rolls all of it back."""
        for shard_id in order.shards:
            holds = order.holds_on(shard_id)
            if None in await self._inventory.extend(tx, shard_id, holds, limits.PAYMENT_EXTENSION_S):
                raise HoldLost

    async def drive(self, payment: Payment) -> Payment:
        """Take steps until the payment has ended or the gateway cannot say. Safe to run twice at once."""
        for _ in range(_STEPS_MAX):
            moved = await self._step(payment)
            if moved is None:
                break
            payment = moved
            if payment.state not in UNDER_WAY:
                payments_ended.labels(payment.state.name.lower()).inc()
                break
        return payment

    async def _step(self, payment: Payment) -> Payment | None:
        """Ask the gateway for the next thing and record what it said; None when there is nothing (more) to do now."""
        match payment.state:
            case PaymentState.AUTHORISING:
                return await self._authorise(payment)
            case PaymentState.CAPTURING:
                return await self._capture(payment)
            case PaymentState.VOIDING:
                outcome = await self._gateway_of(payment).void(payment.gateway_ref or "", _key(payment, "void"))
                return await self._unwind(payment, after_voiding(outcome.state))
            case PaymentState.REFUNDING:
                outcome = await self._refund(payment)
                return await self._unwind(payment, after_refunding(outcome, payment.amount_minor))
            case _:
                return None

    def _gateway_of(self, payment: Payment) -> Gateway:
        return self._gateway if payment.amount_minor else self._nothing_to_pay

    async def _authorise(self, payment: Payment) -> Payment | None:
        intent = Intent(
            _public(payment), payment.attempt, payment.amount_minor, payment.currency, payment.method, "Tickets"
        )
        outcome = await self._gateway_of(payment).authorise(intent)
        to = after_authorising(outcome.state)
        if to is None:
            return None
        if to is PaymentState.CAPTURING:
            return await self._sell(payment, outcome)
        reason = outcome.decline_code or outcome.state.value
        return await self._fail(payment, to, reason, outcome)

    async def _sell(self, payment: Payment, outcome: Outcome) -> Payment | None:
        """The money is reserved: seats sold, tickets issued, order paid, in one transaction; or the way back begins."""
        try:
            async with self._database.pipelined(payment.shard_id) as tx:
                order = await self._locked(tx, payment.shard_id, payment.order_id)
                if not await store.step_payment(tx, payment, PaymentState.CAPTURING, ref=outcome.ref):
                    return None
                sold = await self._confirm_seats(tx, order)
                await self._issue(tx, order, sold)
                await store.step_order(tx, order, OrderState.PAID)
                fact = OrderPaid(shard_id=order.shard_id, order_id=order.order_id, attempt=payment.attempt)
                await self._facts.record(tx, fact)
        except HoldLost:
            return await self._fail(payment, PaymentState.VOIDING, "hold_lost", outcome)
        return replace(payment, state=PaymentState.CAPTURING, gateway_ref=outcome.ref)

    async def _confirm_seats(self, tx: db.Tx, order: Order) -> list[tuple[ShardId, Hold]]:
        """Sell the seats of all holds, or raise HoldLost, which rolls all of it back."""
        sold = []
        for shard_id in order.shards:
            answers = await self._inventory.confirm(
                tx, shard_id, dict.fromkeys(order.holds_on(shard_id), order.order_id)
            )
            for hold in answers.values():
                if hold is None:
                    raise HoldLost
                sold.append((shard_id, hold))
        return sold

    async def _issue(self, tx: db.Tx, order: Order, sold: list[tuple[ShardId, Hold]]) -> None:
        items = await store.read_items(tx, order.shard_id, order.order_id)
        bought = {(shard_id, seat_no) for shard_id, hold in sold for seat_no in hold.seats}
        assert bought == {(item.shard_id, item.seat_no) for item in items}, "what was sold is what was ordered"
        for shard_id in order.shards:
            tickets = [
                NewTicket(order.shard_id, order.order_id, order.person, item.seat_no, item.tier, item.all_in_minor)
                for item in items
                if item.shard_id == shard_id
            ]
            await self._tickets.issue(tx, shard_id, tickets)

    async def _fail(self, payment: Payment, to: PaymentState, reason: str, outcome: Outcome) -> Payment | None:
        """Record that this attempt brings no tickets. Declined: the seats stay held and another attempt may follow."""
        async with self._database.pipelined(payment.shard_id) as tx:
            order = await self._locked(tx, payment.shard_id, payment.order_id)
            if not await store.step_payment(tx, payment, to, ref=outcome.ref, decline_code=reason):
                return None
            if to is not PaymentState.DECLINED:
                await store.step_order(tx, order, OrderState.LOST)
                await store.free_holds(tx, order)
            fact = PaymentFailed(
                shard_id=order.shard_id, order_id=order.order_id, attempt=payment.attempt, reason=reason
            )
            await self._facts.record(tx, fact)
        return replace(payment, state=to, gateway_ref=outcome.ref or None, decline_code=reason)

    async def _capture(self, payment: Payment) -> Payment | None:
        outcome = await self._gateway_of(payment).capture(payment.gateway_ref or "", _key(payment, "capture"))
        to = after_capturing(outcome.state)
        if to is None:
            return None
        async with self._database.pipelined(payment.shard_id) as tx:
            order = await self._locked(tx, payment.shard_id, payment.order_id)
            if not await store.step_payment(tx, payment, to):
                return None
            if to is PaymentState.CAPTURED:
                await store.step_order(tx, order, OrderState.CONFIRMED)
                fact = PaymentCaptured(shard_id=order.shard_id, order_id=order.order_id, attempt=payment.attempt)
                await self._facts.record(tx, fact)
            else:
                await self._undo_sale(tx, order, payment)
        return replace(payment, state=to)

    async def _undo_sale(self, tx: db.Tx, order: Order, payment: Payment) -> None:
        """The money never came: tickets die, seats go back on sale, somebody is told."""
        for shard_id in order.shards:
            seats = await self._tickets.void(tx, shard_id, [order.order_id])
            await self._inventory.take_back(tx, shard_id, order.person, order.order_id, seats)
        await store.step_order(tx, order, OrderState.CAPTURE_FAILED)
        await store.free_holds(tx, order)
        fact = CaptureFailed(shard_id=order.shard_id, order_id=order.order_id, attempt=payment.attempt)
        await self._facts.record(tx, fact)
        telemetry.log.error("capture_failed", order=_public(payment), attempt=payment.attempt)

    async def _refund(self, payment: Payment) -> Outcome:
        """Give back all that is not back yet: where a part went back by hand, a refund of the whole is refused."""
        gateway, ref = self._gateway_of(payment), payment.gateway_ref or ""
        outcome = await gateway.refund(ref, payment.amount_minor, _key(payment, "refund"))
        left_minor = payment.amount_minor - outcome.refunded_minor
        if outcome.state is GatewayState.REFUSED and 0 < left_minor < payment.amount_minor:
            outcome = await gateway.refund(ref, left_minor, _key(payment, f"refund:{left_minor}"))
        return outcome

    async def _unwind(self, payment: Payment, to: PaymentState | None) -> Payment | None:
        """A step on the way back; the order has ended already."""
        if to is None:
            return None
        async with self._database.pipelined(payment.shard_id) as tx:
            if not await store.step_payment(tx, payment, to):
                return None
        return replace(payment, state=to)

    async def reconcile(self) -> int:
        """Drive on payments that have stood still, whoever left them, side by side; how many were looked at.

        Side by side, since each may take the gateway's whole time limit. One that raises does not keep the others from
        their end; what was raised comes out together, when all are done.
        """
        async with self._database.pipelined() as tx:
            found = await store.unfinished_payments(tx, limits.RECONCILE_AFTER_S, limits.RECONCILE_BATCH_MAX)
        ends = await asyncio.gather(*(self._drive_on(*key) for key in found), return_exceptions=True)
        if errors := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup(f"{len(errors)} of {len(found)} payments could not be driven on", errors)
        return len(found)

    async def _drive_on(self, shard_id: ShardId, order_id: int, attempt: int) -> None:
        async with self._database.pipelined(shard_id) as tx:
            order = await self._locked(tx, shard_id, order_id)
            payment = (await store.read_payments(tx, shard_id, order_id))[attempt - 1]
            if payment.state is PaymentState.AUTHORISING:
                await self._keep_seats_longer(tx, order)
        await self.drive(payment)

    async def _keep_seats_longer(self, tx: db.Tx, order: Order) -> None:
        """While the gateway does not answer, as far as the holds' bounds allow; what is lost is found when selling."""
        for shard_id in order.shards:
            await self._inventory.extend(tx, shard_id, order.holds_on(shard_id), limits.PAYMENT_EXTENSION_S)


def _public(payment: Payment) -> str:
    return ids.public(PREFIX, payment.shard_id, payment.order_id)


def _key(payment: Payment, verb: str) -> str:
    return idempotency_key(_public(payment), payment.attempt, verb)
