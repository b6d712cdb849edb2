"""Making orders: one for the same holds, whatever is repeated; none for what is not yours or not there any more."""

import asyncio

import pytest
from tests.integration.world import EMAIL, FACE_MINOR, FEE_MINOR, Fan, World, ok, refused

from onsale import limits
from onsale.kit import ids

pytestmark = pytest.mark.anyio


async def test_an_order_says_all_that_a_page_shows(shop: World, ann: Fan):
    hold = ok(await ann.take(7, 8), 201)
    order = ok(await ann.place(hold["id"]), 201)
    assert order["id"].startswith("ord_")
    assert (order["status"], order["event"], order["email"]) == ("pending", shop.event, EMAIL)
    assert [item["seat_no"] for item in order["items"]] == [7, 8]
    assert order["items"] == hold["seats"]
    assert [line["amount"]["amount"] for line in order["lines"]] == [2 * FACE_MINOR, 2 * FEE_MINOR]
    assert order["total"] == hold["total"] == {"amount": 2 * (FACE_MINOR + FEE_MINOR), "currency": "EUR"}
    assert order["expires_at"] == hold["expires_at"]
    assert order["now"] < order["expires_at"] < order["max_until"]
    assert order["tickets"] == []
    assert {method["id"] for method in order["methods"]} >= {"sandbox_ok", "sandbox_declined"}
    await shop.judge()


async def test_the_secret_is_told_once_and_shows_the_order_without_a_session(shop: World, ann: Fan):
    made = ok(await ann.place(await ann.hold(1)), 201)
    assert "secret" not in await ann.see(made["id"])
    address = f"/api/v1/orders/{made['id']}"
    by_secret = await shop.client.get(address, headers={"Onsale-Order-Secret": made["secret"]})
    assert ok(by_secret, 200)["id"] == made["id"]
    refused(await shop.client.get(address), 404, "order_not_found")
    refused(
        await shop.client.get(address, headers={"Onsale-Order-Secret": "x" + made["secret"][1:]}),
        404,
        "order_not_found",
    )
    paid = await shop.client.post(
        f"{address}/payment", json={"method": "sandbox_ok"}, headers={"Onsale-Order-Secret": made["secret"]}
    )
    assert ok(paid, 200)["status"] == "confirmed"


async def test_somebody_elses_order_is_not_there(shop: World, ann: Fan, bob: Fan):
    order = await ann.order(1)
    refused(await bob.get(f"/api/v1/orders/{order}"), 404, "order_not_found")
    refused(await bob.pay(order), 404, "order_not_found")
    assert shop.gateway.asked == []


async def test_the_same_holds_again_are_the_same_order(shop: World, ann: Fan):
    """Two tabs, the back button, a refresh: none of them makes a second order."""
    hold = await ann.hold(1, 2)
    first, second = ok(await ann.place(hold), 201), ok(await ann.place(hold, hold), 201)
    assert first["id"] == second["id"]
    assert first["secret"] == second["secret"]
    assert await shop.value("SELECT count(*) FROM orders") == 1


async def test_a_mistyped_address_is_mended_by_ordering_again(shop: World, ann: Fan):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold, email="an@example.org"), 201)["id"]
    assert ok(await ann.place(hold, email="Ann@Example.org "), 201)["email"] == "ann@example.org"
    assert (await ann.see(order))["email"] == "ann@example.org"


async def test_requests_that_race_for_one_hold_make_one_order(shop: World, ann: Fan):
    for seat in range(10):
        hold = await ann.hold(seat)
        answers = await asyncio.gather(*(ann.place(hold) for _ in range(6)))
        assert len({ok(answer, 201)["id"] for answer in answers}) == 1
    assert await shop.value("SELECT count(*) FROM orders") == 10
    assert await shop.value("SELECT count(*) FROM fact WHERE kind = 'OrderPlaced'") == 10
    await shop.judge()


async def test_requests_that_race_with_one_key_make_one_order(shop: World, ann: Fan):
    hold = await ann.hold(1)
    answers = await asyncio.gather(*(ann.place(hold, key="k1") for _ in range(6)))
    assert len({ok(answer, 201)["id"] for answer in answers}) == 1


async def test_a_repeated_key_is_the_same_order_even_when_its_holds_are_gone(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold, key="k1"), 201)["id"]
    await shop.run_out(hold)
    await bob.hold(1)
    again = ok(await ann.place(hold, key="k1"), 201)
    assert (again["id"], again["status"]) == (order, "expired")


async def test_a_key_with_another_body_is_refused(shop: World, ann: Fan):
    hold = await ann.hold(1)
    ok(await ann.place(hold, key="k1"), 201)
    refused(await ann.place(hold, key="k1", email="other@example.org"), 409, "idempotency_key_reused")
    assert await shop.value("SELECT email FROM orders") == EMAIL


async def test_a_key_is_its_owners_alone(shop: World, ann: Fan, bob: Fan):
    orders = {ok(await fan.place(await fan.hold(seat), key="k1"), 201)["id"] for seat, fan in ((1, ann), (2, bob))}
    assert len(orders) == 2


async def test_other_bodies_that_race_with_one_key_make_one_order(shop: World, ann: Fan):
    """Two pages that made up the same key: one is answered, the other told, and never two orders under one key."""
    event = await shop.put_on_sale(several_holds=True)
    for number in range(5):
        holds = [await ann.hold(seat, event=event) for seat in (0, 1)]
        answers = await asyncio.gather(*(ann.place(hold, key=f"k{number}") for hold in holds))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        for hold in holds:
            await shop.client.delete(f"/api/v1/holds/{hold}", headers=ann.headers)


@pytest.mark.parametrize("key", ["", "x" * 129, "schlüssel", "a\tb"])
async def test_a_key_that_is_none_is_refused(shop: World, ann: Fan, key: str):
    hold = await ann.hold(1)
    before = await shop.counts()
    body = {"holds": [hold], "email": EMAIL}
    headers = httpx_headers({**ann.headers, "Idempotency-Key": key})
    refused(await shop.client.post("/api/v1/orders", json=body, headers=headers), 422, "invalid_request")
    assert await shop.counts() == before


def httpx_headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """As bytes, since httpx itself would refuse to send some."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def test_one_order_takes_several_holds(shop: World, ann: Fan):
    event = await shop.put_on_sale(several_holds=True)
    holds = [await ann.hold(*seats, event=event) for seats in ((1, 2), (5,), (9, 10))]
    order = ok(await ann.place(*holds), 201)
    assert [item["seat_no"] for item in order["items"]] == [1, 2, 5, 9, 10]
    assert ok(await ann.place(*reversed(holds)), 201)["id"] == order["id"]
    paid = ok(await ann.pay(order["id"]), 200)
    assert [ticket["seat"] for ticket in paid["tickets"]] == [item["seat"] for item in order["items"]]
    await shop.ended()


async def test_a_hold_that_is_in_an_order_is_not_put_into_another(shop: World, ann: Fan):
    event = await shop.put_on_sale(several_holds=True)
    one, two = await ann.hold(1, event=event), await ann.hold(2, event=event)
    ok(await ann.place(one), 201)
    before = await shop.counts()
    refused(await ann.place(one, two), 409, "hold_in_another_order")
    assert await shop.counts() == before
    ok(await ann.place(two), 201)


async def test_more_holds_than_an_order_takes_are_refused(shop: World, ann: Fan):
    too_many = [
        ids.public("hld", ids.shard_of(shop.event), number + 1) for number in range(limits.HOLDS_PER_ORDER_MAX + 1)
    ]
    refused(await ann.place(*too_many), 422, "invalid_request")
    refused(await ann.place(), 422, "invalid_request")


async def test_holds_of_two_events_are_two_orders(shop: World, ann: Fan):
    other = await shop.put_on_sale()
    holds = [await ann.hold(1), await ann.hold(1, event=other)]
    before = await shop.counts()
    refused(await ann.place(*holds), 422, "holds_of_several_events")
    assert await shop.counts() == before


async def test_somebody_elses_hold_is_not_there(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1)
    before = await shop.counts()
    refused(await bob.place(hold), 404, "hold_not_found")
    assert await shop.counts() == before


async def test_a_hold_that_ran_out_is_still_ordered_while_nobody_took_its_seats(shop: World, ann: Fan):
    hold = await ann.hold(1, 2)
    await shop.run_out(hold)
    assert await shop.house.inventory.sweep() == 1
    order = ok(await ann.place(hold), 201)
    assert order["status"] == "pending"
    assert ok(await ann.pay(order["id"]), 200)["status"] == "confirmed"
    await shop.ended()


async def test_a_hold_that_lost_one_seat_is_lost_whole(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1, 2)
    await shop.run_out(hold)
    await bob.hold(2)
    before = await shop.counts()
    refused(await ann.place(hold), 409, "hold_lost")
    assert await shop.counts() == before


async def test_a_hold_that_was_let_go_is_lost(shop: World, ann: Fan):
    hold = await ann.hold(1)
    assert (await shop.client.delete(f"/api/v1/holds/{hold}", headers=ann.headers)).status_code == 204
    refused(await ann.place(hold), 409, "hold_lost")


async def test_ordering_what_was_bought_already_shows_the_bought_order(shop: World, ann: Fan):
    """The second tab still shows the seat map: "checkout" there must not say that the seats are gone."""
    hold = await ann.hold(1, 2)
    order = ok(await ann.place(hold), 201)["id"]
    ok(await ann.pay(order), 200)
    again = ok(await ann.place(hold, email="other@example.org"), 201)
    assert (again["id"], again["status"], again["email"]) == (order, "confirmed", EMAIL)
    assert len(again["tickets"]) == 2
    await shop.ended()


async def test_an_order_whose_seats_are_gone_says_expired(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1)
    order = ok(await ann.place(hold), 201)["id"]
    await shop.run_out(hold)
    await bob.hold(1)
    seen = await ann.see(order)
    assert (seen["status"], seen["expires_at"]) == ("expired", None)
