"""Paying, as one fan meets it: charged once with tickets, or not at all; and the schema says so too."""

import asyncio

import psycopg
import pytest
from tests.integration.world import FACE_MINOR, FEE_MINOR, NO_ANSWER, Fan, World, ok, refused

from onsale import limits
from onsale.checkout.gateways import GatewayState, Outcome
from onsale.kit import ids

pytestmark = pytest.mark.anyio

BOTH = 2 * (FACE_MINOR + FEE_MINOR)


async def test_a_paid_order_is_charged_once_and_has_its_tickets(shop: World, ann: Fan):
    paid = await ann.buy(7, 8)
    assert paid["status"] == "confirmed"
    assert len(paid["tickets"]) == 2
    assert {ticket["status"] for ticket in paid["tickets"]} == {"valid"}
    assert "decline_code" not in paid
    [charge] = await shop.charges()
    assert (charge.order, charge.attempt, charge.amount, charge.currency) == (paid["id"], 1, BOTH, "eur")
    assert (charge.state, charge.kept) == ("succeeded", BOTH)
    assert await shop.rows("SELECT seat_no FROM seat WHERE state = 2 ORDER BY seat_no") == [(7,), (8,)]
    await shop.ended()


async def test_order_and_payment_are_rows_before_the_gateway_is_called(shop: World, ann: Fan):
    seen = []

    async def look() -> None:
        """From outside: only what is committed shows."""
        seen.extend(await shop.rows("SELECT orders.state, payment.state FROM orders JOIN payment USING (order_id)"))

    order = await ann.order(1)
    shop.gateway.script["before authorise"] = look
    ok(await ann.pay(order), 200)
    assert seen == [(1, 1)]


async def test_no_transaction_is_open_while_the_gateway_is_asked(shop: World, ann: Fan):
    seen = []

    async def look() -> None:
        seen.append(
            await shop.value(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            )
        )

    order = await ann.order(1)
    shop.gateway.script = dict.fromkeys(("before authorise", "before capture"), look)
    ok(await ann.pay(order), 200)
    assert seen == [0, 0]


async def test_starting_to_pay_gives_the_seats_at_least_a_minute(shop: World, ann: Fan):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold), 201)["id"]
    await shop.run_out(hold)
    shop.gateway.script["before authorise"] = NO_ANSWER
    ok(await ann.pay(order), 202)
    left_s = await shop.value(
        "SELECT extract(epoch FROM held_until - statement_timestamp())::float FROM seat WHERE seat_no = 1"
    )
    assert limits.GATEWAY_TIMEOUT_S < left_s <= limits.PAYMENT_EXTENSION_S


async def test_a_declined_card_keeps_the_seats_and_another_may_be_tried(shop: World, ann: Fan):
    order = await ann.order(1, 2)
    told = refused(await ann.pay(order, "sandbox_declined"), 402, "payment_declined")
    assert told["decline_code"] == "generic_decline"
    assert told["expires_at"] > told["now"]
    seen = await ann.see(order)
    assert (seen["status"], seen["decline_code"]) == ("pending", "generic_decline")
    assert ok(await ann.pay(order), 200)["status"] == "confirmed"
    assert await shop.rows("SELECT attempt, state FROM payment ORDER BY attempt") == [(1, 4), (2, 3)]
    assert [charge.kept for charge in await shop.charges()] == [0, BOTH]
    await shop.ended()


async def test_paying_a_paid_order_again_changes_nothing(shop: World, ann: Fan):
    paid = await ann.buy(1, 2)
    again = ok(await ann.pay(paid["id"]), 200)
    assert again["tickets"] == paid["tickets"]
    ok(await ann.pay(paid["id"], "sandbox_declined"), 200)
    assert shop.gateway.asked == ["authorise", "capture"]
    await shop.ended()


async def test_a_double_click_charges_once(shop: World, ann: Fan):
    for seat in range(8):
        order = await ann.order(seat)
        answers = await asyncio.gather(*(ann.pay(order) for _ in range(5)))
        assert {answer.status_code for answer in answers} <= {200, 202}
        assert await ann.status(order) == "confirmed"
    assert len(await shop.charges()) == 8
    await shop.ended()


async def test_two_methods_at_once_charge_once(shop: World, ann: Fan):
    """One tab pays with a good card, the other with a bad one: whichever comes first is the one that is asked."""
    for seat in range(8):
        order = await ann.order(seat)
        await asyncio.gather(ann.pay(order), ann.pay(order, "sandbox_declined"))
        if await ann.status(order) != "confirmed":
            ok(await ann.pay(order), 200)
    assert sum(charge.kept > 0 for charge in await shop.charges()) == 8
    await shop.ended()


async def test_a_method_nobody_knows_is_refused_before_anything_happens(shop: World, ann: Fan):
    order = await ann.order(1)
    before = await shop.counts()
    told = refused(await ann.pay(order, "gold"), 422, "unknown_payment_method")
    assert told["methods"] == ["sandbox_declined", "sandbox_ok"]
    assert await shop.counts() == before
    assert shop.gateway.asked == []


async def test_attempts_have_an_end(shop: World, ann: Fan):
    order = await ann.order(1)
    for _ in range(limits.PAYMENT_ATTEMPTS_MAX):
        refused(await ann.pay(order, "sandbox_declined"), 402, "payment_declined")
    before = await shop.counts()
    refused(await ann.pay(order), 429, "too_many_payment_attempts")
    assert await shop.counts() == before
    assert len(await shop.charges()) == limits.PAYMENT_ATTEMPTS_MAX
    await shop.ended()


async def test_a_hold_that_somebody_took_is_lost_and_nothing_is_charged(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1, 2)
    order = ok(await ann.place(hold), 201)["id"]
    await shop.run_out(hold)
    await bob.hold(2)
    before = await shop.counts()
    refused(await ann.pay(order), 409, "hold_lost")
    assert await shop.counts() == before
    assert shop.gateway.asked == []
    await shop.ended()


async def test_a_hold_at_its_bound_is_lost_and_nothing_is_charged(shop: World, ann: Fan):
    order = await ann.order(1)
    await shop.rows("UPDATE hold SET max_until = now() + interval '59 s', expires_at = now() + interval '58 s'")
    await shop.rows("UPDATE seat SET held_until = (SELECT expires_at FROM hold) WHERE state = 1")
    refused(await ann.pay(order), 409, "hold_lost")
    assert shop.gateway.asked == []
    await shop.ended()


async def test_seats_taken_while_the_bank_thinks_mean_no_money_is_taken(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1, 2)
    order = ok(await ann.place(hold), 201)["id"]

    async def bob_takes_one() -> None:
        await shop.run_out(hold)
        await bob.hold(2)

    shop.gateway.script["after authorise"] = bob_takes_one
    refused(await ann.pay(order), 409, "hold_lost")
    assert await ann.status(order) == "lost"
    [charge] = await shop.charges()
    assert (charge.state, charge.kept) == ("canceled", 0)
    assert ok(await bob.get(f"/api/v1/events/{shop.event}/holds/mine"), 200)["items"][0]["status"] == "held"
    refused(await ann.pay(order), 409, "hold_lost")
    await shop.ended()


async def test_a_void_that_finds_the_money_taken_gives_it_back(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold), 201)["id"]

    async def bob_takes_it() -> None:
        await shop.run_out(hold)
        await bob.hold(1)

    async def captured_by_hand() -> None:
        await capture_at_the_bank(shop, order)

    shop.gateway.script = {"after authorise": bob_takes_it, "before void": captured_by_hand}
    refused(await ann.pay(order), 409, "hold_lost")
    [charge] = await shop.charges()
    assert (charge.captured, charge.kept) == (FACE_MINOR + FEE_MINOR, 0)
    assert await shop.rows("SELECT state FROM payment") == [(8,)]
    await shop.ended()


async def capture_at_the_bank(shop: World, order: str) -> str:
    """Somebody presses "capture" on the gateway's own pages."""
    [outcome] = await shop.gateway.status(order)
    async with shop.bank() as bank:
        ok(await bank.post(f"/v1/payment_intents/{outcome.ref}/capture"), 200)
    return outcome.ref


async def cancel_at_the_bank(shop: World, order: str) -> None:
    """The reservation ran out at the bank, or somebody gave it up there."""
    [outcome] = await shop.gateway.status(order)
    async with shop.bank() as bank:
        ok(await bank.post(f"/v1/payment_intents/{outcome.ref}/cancel"), 200)


async def test_a_capture_refused_for_good_kills_the_tickets_and_frees_the_seats(shop: World, ann: Fan, bob: Fan):
    order = await ann.order(1, 2)

    async def run_out_at_the_bank() -> None:
        await cancel_at_the_bank(shop, order)

    shop.gateway.script["before capture"] = run_out_at_the_bank
    refused(await ann.pay(order), 409, "money_not_received")
    seen = await ann.see(order)
    assert (seen["status"], seen["tickets"]) == ("capture_failed", [])
    assert await shop.rows("SELECT state FROM ticket") == [(3,), (3,)]
    assert await shop.value("SELECT count(*) FROM seat WHERE state <> 0") == 0
    assert await shop.value("SELECT count(*) FROM fact WHERE kind = 'CaptureFailed'") == 1
    refused(await ann.pay(order), 409, "money_not_received")
    await shop.ended()
    assert (await bob.buy(1, 2))["status"] == "confirmed"
    assert (await ann.buy(3))["status"] == "confirmed"
    await shop.ended()


@pytest.mark.parametrize("no", [GatewayState.REFUSED, GatewayState.DECLINED])
async def test_a_refused_capture_leaves_no_money_reserved(shop: World, ann: Fan, no: GatewayState):
    """The gateway will not capture, but the reservation may still block the fan's money: it is given up."""
    order = await ann.order(1)
    shop.gateway.script["before capture"] = Outcome(no)
    refused(await ann.pay(order), 409, "money_not_received")
    assert await ann.status(order) == "capture_failed"
    [charge] = await shop.charges()
    assert (charge.state, charge.kept) == ("canceled", 0)
    await shop.ended()


async def test_money_given_back_by_hand_before_we_knew_is_not_tickets(shop: World, ann: Fan):
    order = await ann.order(1)

    async def refunded_by_hand() -> Outcome:
        ref = await capture_at_the_bank(shop, order)
        async with shop.bank() as bank:
            ok(await bank.post("/v1/refunds", data={"payment_intent": ref, "amount": str(FACE_MINOR + FEE_MINOR)}), 200)
        [outcome] = await shop.gateway.status(order)
        return outcome

    shop.gateway.script["before capture"] = refunded_by_hand
    refused(await ann.pay(order), 409, "money_not_received")
    assert await ann.status(order) == "capture_failed"
    await shop.ended()


async def test_part_of_the_money_given_back_by_hand_means_the_rest_is_too(shop: World, ann: Fan):
    order = await ann.order(1)

    async def partly_refunded_by_hand() -> Outcome:
        ref = await capture_at_the_bank(shop, order)
        async with shop.bank() as bank:
            ok(await bank.post("/v1/refunds", data={"payment_intent": ref, "amount": "100"}), 200)
        [outcome] = await shop.gateway.status(order)
        return outcome

    shop.gateway.script["before capture"] = partly_refunded_by_hand
    refused(await ann.pay(order), 409, "money_not_received")
    [charge] = await shop.charges()
    assert charge.kept == 0
    await shop.ended()


async def test_an_order_that_costs_nothing_needs_no_gateway(shop: World, ann: Fan):
    event = await shop.put_on_sale(face_minor=0, fee_minor=0)
    paid = await ann.buy(1, 2, event=event)
    assert (paid["status"], paid["total"]["amount"], len(paid["tickets"])) == ("confirmed", 0, 2)
    assert shop.gateway.asked == []
    await shop.ended()


async def test_money_is_told_in_whole_minor_units_of_one_currency(shop: World, ann: Fan):
    event = await shop.put_on_sale(currency="JPY", face_minor=12_000, fee_minor=0)
    paid = await ann.buy(1, event=event)
    assert paid["total"] == {"amount": 12_000, "currency": "JPY"}
    assert [line["label"] for line in paid["lines"]] == ["Tickets"]
    [charge] = await shop.charges()
    assert (charge.amount, charge.currency) == (12_000, "jpy")


async def test_a_person_may_not_buy_more_than_the_limit_in_several_orders(shop: World, ann: Fan):
    await ann.buy(0, 1, 2, 3, 4)
    refused(await ann.take(10, 11, 12, 13), 409, "person_limit")
    await ann.buy(10, 11, 12)
    await shop.ended()


# --- negative controls: what the schema does not let even a bug write -----------------------------------------------

PAYMENT = "INSERT INTO payment (shard_id, order_id, attempt, state, gateway, method, currency, amount_minor) "
SECOND_TICKET = """
INSERT INTO ticket (shard_id, ticket_id, order_shard_id, order_id, person, price_minor, seat_no, tier)
SELECT shard_id, ticket_id / 2, order_shard_id, order_id / 2, person, price_minor, seat_no, tier FROM ticket"""
SECOND_ORDER = """
INSERT INTO order_hold (shard_id, order_id, hold_shard_id, hold_id)
SELECT shard_id, order_id / 2, hold_shard_id, hold_id FROM order_hold"""


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        (PAYMENT + "SELECT shard_id, order_id, 2, 3, 's', 'm', 'EUR', 1 FROM payment", "payment_one_capture"),
        (PAYMENT + "SELECT shard_id, order_id, 2, 2, 's', 'm', 'EUR', 1 FROM payment", "payment_one_capture"),
        (PAYMENT + "SELECT shard_id, order_id, 1, 4, 's', 'm', 'EUR', 1 FROM payment", "payment_pkey"),
        (PAYMENT + "SELECT shard_id, order_id, 2, 4, 's', 'm', 'EUR', -1 FROM payment", "payment_amount_minor_check"),
        (SECOND_TICKET, "ticket_one_valid_per_seat"),
        (SECOND_ORDER, "order_hold_one_active"),
        ("UPDATE orders SET total_minor = total_minor - 1", "order_total_is_all_in"),
        ("UPDATE seat SET hold_id = 1 WHERE state = 2", "seat_one_owner"),
        ("UPDATE seat SET state = 0 WHERE state = 2", "seat_one_owner"),
        ("UPDATE hold SET expires_at = max_until + interval '1 s'", "hold_within_its_bound"),
    ],
)
async def test_the_schema_refuses_what_must_never_be(shop: World, ann: Fan, wrong: str, constraint: str):
    await ann.buy(1)
    with pytest.raises(psycopg.IntegrityError) as refusal:
        await shop.rows(wrong)
    assert refusal.value.diag.constraint_name == constraint
    await shop.ended()


async def test_the_schema_refuses_a_second_attempt_under_way(shop: World, ann: Fan):
    order = await ann.order(1)
    shop.gateway.script["before authorise"] = NO_ANSWER
    ok(await ann.pay(order), 202)
    for state in (1, 2, 5, 7):
        with pytest.raises(psycopg.errors.UniqueViolation) as refusal:
            await shop.rows(PAYMENT + f"SELECT shard_id, order_id, 2, {state}, 's', 'm', 'EUR', 1 FROM payment")
        assert refusal.value.diag.constraint_name == "payment_one_under_way"


async def test_the_judge_sees_money_that_the_books_do_not_know(shop: World, ann: Fan):
    """Negative control of every test here: a capture behind our back, and a payment of ours that never was."""
    paid = await ann.buy(1)
    await shop.judge()
    async with shop.bank() as bank:
        form = {"amount": "1", "currency": "eur", "payment_method": "sandbox_ok", "confirm": "true"}
        form |= {"capture_method": "manual", "metadata[order]": paid["id"], "metadata[attempt]": "2"}
        ok(await bank.post("/v1/payment_intents", data=form), 200)
    with pytest.raises(AssertionError, match="book_charge_without_payment"):
        await shop.judge()
    shard_id, order_id = ids.parse("ord", paid["id"])
    await shop.rows("UPDATE payment SET state = 6 WHERE shard_id = %s AND order_id = %s", shard_id, order_id)
    with pytest.raises(AssertionError, match="order_without_its_payment"):
        await shop.judge()
