"""Payments that somebody left standing: whoever died, and wherever, the reconciler ends them, books equal."""

import asyncio
from typing import Any

import pytest
from tests.integration.world import NO_ANSWER, Fan, Killed, World, ok, refused

from onsale import limits
from onsale.checkout.gateways import GatewayState, Outcome
from onsale.checkout.store import read_payments
from onsale.kit.facts import Fact, Facts

pytestmark = pytest.mark.anyio

PAID, CONFIRMED = 2, 3


async def bob_takes(shop: World, bob: Fan, hold: str, *seats: int) -> None:
    await shop.run_out(hold)
    await bob.hold(*seats)


class Dying:
    """Facts of a process that dies in the middle of the transaction that records one kind of fact."""

    def __init__(self, facts: Facts, kind: str) -> None:
        self._facts = facts
        self._kind = kind

    async def record(self, tx: Any, fact: Fact) -> None:
        if type(fact).__name__ == self._kind:
            raise Killed(f"recording {self._kind}")
        await self._facts.record(tx, fact)


async def pay_and_die(shop: World, fan: Fan, order: str, moment: str) -> None:
    """Pay in a process that ends at that moment: a moment of the gateway, or `recording` a fact."""
    payments = shop.house.checkout.payments
    facts = payments._facts
    if moment.startswith("recording "):
        payments._facts = Dying(facts, moment.removeprefix("recording "))  # type: ignore[assignment]
    else:
        shop.gateway.script[moment] = Killed
    try:
        refused(await fan.pay(order), 500, "internal_error")
    finally:
        payments._facts = facts
    assert moment not in shop.gateway.script, "the moment never came"


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("before authorise", "processing"),
        ("after authorise", "processing"),
        ("recording OrderPaid", "processing"),
        ("before capture", "processing"),
        ("after capture", "processing"),
        ("recording PaymentCaptured", "processing"),
        ("recording PaymentStarted", "pending"),
    ],
)
async def test_a_payment_whose_process_died_is_ended_by_the_reconciler(shop: World, ann: Fan, moment: str, left: str):
    order = await ann.order(1, 2)
    await pay_and_die(shop, ann, order, moment)
    assert await ann.status(order) == left
    await shop.judge()
    if left == "pending":  # Nothing had been written, so there is nothing to end.
        assert await shop.reconcile() == 0
        ok(await ann.pay(order), 200)
    else:
        assert await shop.reconcile() == 1
    assert await ann.status(order) == "confirmed"
    assert len((await ann.see(order))["tickets"]) == 2
    assert len(await shop.charges()) == 1
    await shop.ended()
    assert await shop.reconcile() == 0


@pytest.mark.parametrize("moment", ["before authorise", "after authorise", "recording OrderPaid"])
async def test_a_dead_payment_whose_seats_were_taken_meanwhile_takes_no_money(
    shop: World, ann: Fan, bob: Fan, moment: str
):
    hold = await ann.hold(1, 2)
    order = ok(await ann.place(hold), 201)["id"]
    await pay_and_die(shop, ann, order, moment)
    await bob_takes(shop, bob, hold, 2)
    await shop.reconcile()
    assert await ann.status(order) == "lost"
    assert [charge.state for charge in await shop.charges()] == ["canceled"]
    await shop.ended()


@pytest.mark.parametrize("moment", ["before void", "after void", "recording PaymentFailed"])
async def test_a_process_that_dies_on_the_way_back_keeps_no_money(shop: World, ann: Fan, bob: Fan, moment: str):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold), 201)["id"]
    shop.gateway.script["after authorise"] = lambda: bob_takes(shop, bob, hold, 1)
    await pay_and_die(shop, ann, order, moment)
    await shop.judge()
    await shop.reconcile()
    assert await ann.status(order) == "lost"
    assert [charge.state for charge in await shop.charges()] == ["canceled"]
    await shop.ended()


@pytest.mark.parametrize("moment", ["before refund", "after refund"])
async def test_a_process_that_dies_refunding_gives_the_money_back_once(shop: World, ann: Fan, bob: Fan, moment: str):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold), 201)["id"]

    async def captured_by_hand() -> None:
        [outcome] = await shop.gateway.status(order)
        async with shop.bank() as bank:
            ok(await bank.post(f"/v1/payment_intents/{outcome.ref}/capture"), 200)

    shop.gateway.script["after authorise"] = lambda: bob_takes(shop, bob, hold, 1)
    shop.gateway.script["before void"] = captured_by_hand
    await pay_and_die(shop, ann, order, moment)
    await shop.reconcile()
    [charge] = await shop.charges()
    assert (charge.refunded, charge.kept) == (charge.amount, 0)
    assert await ann.status(order) == "lost"
    await shop.ended()


async def test_a_process_that_dies_undoing_a_sale_is_followed_by_one_that_does(shop: World, ann: Fan):
    order = await ann.order(1, 2)
    shop.gateway.script["before capture"] = Outcome(GatewayState.VOIDED)
    await pay_and_die(shop, ann, order, "recording CaptureFailed")
    [outcome] = await shop.gateway.status(order)
    async with shop.bank() as bank:
        ok(await bank.post(f"/v1/payment_intents/{outcome.ref}/cancel"), 200)
    await shop.judge()
    await shop.reconcile()
    assert await ann.status(order) == "capture_failed"
    assert await shop.value("SELECT count(*) FROM seat WHERE state <> 0") == 0
    await shop.ended()


# --- no answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before authorise", "after authorise", "before capture", "after capture"])
async def test_a_gateway_that_does_not_answer_is_asked_again_until_it_does(shop: World, ann: Fan, moment: str):
    """`before`: our request was lost. `after`: it arrived, and its answer was lost. Either way the fan hears 202."""
    order = await ann.order(1, 2)
    shop.gateway.script[moment] = NO_ANSWER
    assert ok(await ann.pay(order), 202)["status"] == "processing"
    assert ok(await ann.pay(order), 202)["status"] == "processing"
    await shop.judge()
    shop.gateway.script["before authorise"] = shop.gateway.script["before capture"] = NO_ANSWER
    await shop.reconcile()
    assert await ann.status(order) == "processing"
    shop.gateway.script.clear()
    await shop.reconcile()
    assert ok(await ann.pay(order), 200)["status"] == "confirmed"
    assert len(await shop.charges()) == 1
    await shop.ended()


async def test_an_unheard_no_of_the_bank_is_heard_later_and_another_card_may_be_tried(shop: World, ann: Fan):
    order = await ann.order(1)
    shop.gateway.script["after authorise"] = NO_ANSWER
    ok(await ann.pay(order, "sandbox_declined"), 202)
    await shop.reconcile()
    seen = await ann.see(order)
    assert (seen["status"], seen["decline_code"]) == ("pending", "generic_decline")
    ok(await ann.pay(order), 200)
    await shop.ended()


@pytest.mark.parametrize("told", [GatewayState.NOT_FOUND, GatewayState.UNKNOWN])
async def test_not_found_is_never_final(shop: World, ann: Fan, told: GatewayState):
    order = await ann.order(1)
    shop.gateway.script["before authorise"] = Outcome(told)
    ok(await ann.pay(order), 202)
    for _ in range(3):
        shop.gateway.script["before authorise"] = Outcome(told)
        await shop.reconcile()
    assert await ann.status(order) == "processing"
    shop.gateway.script.clear()
    await shop.reconcile()
    assert await ann.status(order) == "confirmed"
    await shop.ended()


async def test_a_void_without_an_answer_is_asked_again(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold), 201)["id"]
    shop.gateway.script = {"after authorise": lambda: bob_takes(shop, bob, hold, 1), "before void": NO_ANSWER}
    refused(await ann.pay(order), 409, "hold_lost")
    await shop.reconcile()
    assert await ann.status(order) == "lost"
    await shop.ended()


async def test_money_taken_while_nobody_listened_is_tickets(shop: World, ann: Fan):
    """Somebody captured at the gateway before we heard of the authorisation: the fan has paid, the seats are sold."""
    order = await ann.order(1)
    shop.gateway.script["after authorise"] = NO_ANSWER
    ok(await ann.pay(order), 202)
    [outcome] = await shop.gateway.status(order)
    async with shop.bank() as bank:
        ok(await bank.post(f"/v1/payment_intents/{outcome.ref}/capture"), 200)
    await shop.reconcile()
    assert await ann.status(order) == "confirmed"
    await shop.ended()


# --- the reconciler itself ------------------------------------------------------------------------------------------


async def test_a_payment_that_moved_lately_is_left_alone(shop: World, ann: Fan):
    order = await ann.order(1)
    shop.gateway.script["before authorise"] = NO_ANSWER
    ok(await ann.pay(order), 202)
    assert await shop.house.checkout.payments.reconcile() == 0
    moved = "UPDATE payment SET updated_at = statement_timestamp() - make_interval(secs => %s)"
    await shop.rows(moved, limits.RECONCILE_AFTER_S + 1)
    assert await shop.house.checkout.payments.reconcile() == 1
    assert await ann.status(order) == "confirmed"


async def left_standing(shop: World, fans: int, moment: str) -> list[tuple[Fan, str]]:
    """Fans, each with an order whose payment had no answer at that moment. Each a person: a person has one hold."""
    left = []
    for seat in range(fans):
        fan = await shop.fan()
        order = await fan.order(seat)
        shop.gateway.script[moment] = NO_ANSWER
        ok(await fan.pay(order), 202)
        left.append((fan, order))
    return left


async def test_many_reconcilers_at_once_do_the_work_once(shop: World):
    await left_standing(shop, 6, "after authorise")
    await shop.rows("UPDATE payment SET updated_at = updated_at - interval '1 minute'")
    shop.gateway.asked.clear()
    looked_at = await asyncio.gather(*(shop.house.checkout.payments.reconcile() for _ in range(4)))
    assert sum(looked_at) == 6
    assert sorted(shop.gateway.asked) == ["authorise"] * 6 + ["capture"] * 6
    await shop.ended()


async def test_drivers_of_one_payment_may_meet_at_any_step(shop: World, ann: Fan):
    """The slow request and the reconciler that took it for dead go on side by side: one sale, one capture."""
    for seat in range(6):
        order = await ann.order(seat)
        shop.gateway.script["before authorise"] = NO_ANSWER
        ok(await ann.pay(order), 202)
        [row] = await shop.rows("SELECT shard_id, order_id FROM payment WHERE state = 1")
        payments = shop.house.checkout.payments
        async with shop.house.database.transaction(row[0]) as tx:
            [payment] = await read_payments(tx, *row)
        await asyncio.gather(*(payments.drive(payment) for _ in range(4)))
        assert await ann.status(order) == "confirmed"
    assert len(await shop.charges()) == 6
    await shop.ended()


async def test_a_payment_that_cannot_be_driven_does_not_stop_the_others(shop: World):
    left = await left_standing(shop, 5, "before authorise")
    ask = shop.gateway.inner.authorise

    async def broken(intent: Any) -> Outcome:
        if intent.order == left[0][1]:
            raise ValueError("an answer that nobody foresaw")
        return await ask(intent)

    shop.gateway.inner.authorise = broken  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup, match="1 of 5 payments") as raised:
        await shop.reconcile()
    assert raised.group_contains(ValueError)
    assert [await fan.status(order) for fan, order in left] == ["processing", *["confirmed"] * 4]
    shop.gateway.inner.authorise = ask  # type: ignore[method-assign]
    await shop.reconcile()
    await shop.ended()


async def test_a_slow_gateway_does_not_make_a_queue_of_the_payments(shop: World):
    """Each may take the gateway's whole time limit; one by one, the last of fifty would wait a quarter hour."""
    await left_standing(shop, 5, "before authorise")
    waiting = asyncio.Barrier(5)
    ask = shop.gateway.inner.authorise

    async def together(intent: Any) -> Outcome:
        async with asyncio.timeout(10):
            await waiting.wait()
        return await ask(intent)

    shop.gateway.inner.authorise = together  # type: ignore[method-assign]
    await shop.reconcile()
    await shop.ended()
