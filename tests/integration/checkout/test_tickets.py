"""Tickets over HTTP: for their holder or who has their key; a code that scanners check without us; the letter."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from tests.integration.world import EMAIL, GATEWAY_KEY, NO_ANSWER, Fan, World, ok, refused

from onsale import app
from onsale.checkout import PaymentCaptured, SandboxGateway
from onsale.checkout.gateways import GatewayState, Outcome
from onsale.kit import clock, ids, tasks
from onsale.tickets import BadCode, TicketKey, verify

pytestmark = pytest.mark.anyio

FORMS = {
    "png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    "svg": ("image/svg+xml", b"<svg "),
    "pdf": ("application/pdf", b"%PDF-"),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_ticket_is_a_picture_and_a_page_for_its_holder_and_for_who_has_its_key(
    shop: World, ann: Fan, form: str
):
    [ticket] = (await ann.buy(7))["tickets"]
    kind, head = FORMS[form]
    by_holder = await ann.get(f"/api/v1/tickets/{ticket['id']}.{form}")
    by_key = await shop.client.get(ticket[form])
    for response in (by_holder, by_key):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        assert response.headers["cache-control"] == "private, max-age=3600"
        assert response.content.startswith(head)
    assert "key=" in ticket[form]


async def test_a_ticket_as_data_has_the_code_that_scanners_check_offline(shop: World, ann: Fan):
    paid = await ann.buy(7, 8)
    keys = ok(await shop.client.get("/api/v1/tickets/keys"), 200)["keys"]
    public_keys = {key_id: bytes.fromhex(key) for key_id, key in keys.items()}
    assert len(paid["tickets"]) == 2
    body: dict[str, str] = {}
    for ticket in paid["tickets"]:
        body = ok(await shop.client.get(ticket["json"]), 200)
        assert {name: body[name] for name in ticket} == ticket
        claims = verify(body["code"], public_keys)
        assert ids.public("tkt", ids.ShardId(claims.shard_id), claims.ticket_id) == ticket["id"]
        assert claims.code_version == 1
    forged = TicketKey.from_seed(b"x" * 32)
    with pytest.raises(BadCode):
        verify(body["code"], {forged.key_id: forged.public_key})


async def test_somebody_elses_ticket_is_not_there(shop: World, ann: Fan, bob: Fan):
    [ticket] = (await ann.buy(7))["tickets"]
    [other] = (await bob.buy(8))["tickets"]
    key = other["png"].partition("key=")[2]
    for form in ("json", *FORMS):
        address = f"/api/v1/tickets/{ticket['id']}.{form}"
        refused(await shop.client.get(address), 404, "ticket_not_found")
        refused(await bob.get(address), 404, "ticket_not_found")
        for wrong in (key, "", "x", "ключ", "%00", "a" * 5_000):
            refused(await shop.client.get(f"{address}?key={wrong}"), 404, "ticket_not_found")
        refused(await shop.client.get(address, headers={"Authorization": "Bearer x.y.z"}), 404, "ticket_not_found")


async def test_a_ticket_that_does_not_exist_is_not_there(shop: World, ann: Fan):
    paid = await ann.buy(7)
    [ticket] = paid["tickets"]
    shard_id, ticket_id = ids.parse("tkt", ticket["id"])
    forged = [
        ids.public("tkt", shard_id, ticket_id + 1 if ticket_id < 2**63 - 1 else 1),
        ids.public("tkt", ids.ShardId(shard_id + 64), ticket_id),
        ids.public("tkt", ids.ShardId(2**63 - 1), 2**63 - 1),
        ticket["id"].upper(),
        ticket["id"][:-1],
        ticket["id"] + "0",
        ticket["id"].replace("tkt_", "ord_"),
        paid["id"],
        "tkt_" + "z" * 26,
        "tkt_" + "u" * 26,
        "tkt_",
        "x" * 3_000,
        "%00",
        "%F0%9F%8E%AB",
    ]
    for name in forged:
        refused(await ann.get(f"/api/v1/tickets/{name}.json"), 404, "ticket_not_found")


@pytest.mark.parametrize("form", ["gif", "html", "JSON", "png2", "..", "json%00"])
async def test_a_ticket_has_no_other_form(shop: World, ann: Fan, form: str):
    [ticket] = (await ann.buy(7))["tickets"]
    answer = await ann.get(f"/api/v1/tickets/{ticket['id']}.{form}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_ticket_has_no_code_before_its_money_came(shop: World, ann: Fan):
    """The rows are there from the authorisation on; the fan gets them when the capture is recorded."""
    order = await ann.order(7)
    shop.gateway.script["before capture"] = NO_ANSWER
    told = ok(await ann.pay(order), 202)
    assert told["tickets"] == []
    assert await shop.value("SELECT count(*) FROM ticket") == 1
    refused(await ann.get(f"/api/v1/orders/{order}/tickets.pdf"), 404, "order_not_found")
    await shop.reconcile()
    assert len((await ann.see(order))["tickets"]) == 1


async def test_all_tickets_of_an_order_are_one_document(shop: World, ann: Fan, bob: Fan):
    hold = await ann.hold(1, 2, 3)
    made = ok(await ann.place(hold), 201)
    address = f"/api/v1/orders/{made['id']}/tickets.pdf"
    refused(await ann.get(address), 404, "order_not_found")
    ok(await ann.pay(made["id"]), 200)
    for response in (await ann.get(address), await shop.client.get(f"{address}?secret={made['secret']}")):
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/pdf"
        assert response.headers["cache-control"] == "private, no-store"
        assert response.content.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type /Page\b", response.content)) == 3
    refused(await bob.get(address), 404, "order_not_found")
    refused(await shop.client.get(f"{address}?secret=x"), 404, "order_not_found")


async def test_a_void_ticket_is_told_of_and_has_no_code(shop: World, ann: Fan):
    order = await ann.order(7)
    shop.gateway.script["before capture"] = Outcome(GatewayState.REFUSED)
    refused(await ann.pay(order), 409, "money_not_received")
    [(shard_id, ticket_id)] = await shop.rows("SELECT shard_id, ticket_id FROM ticket")
    address = f"/api/v1/tickets/{ids.public('tkt', shard_id, ticket_id)}"
    body = ok(await ann.get(f"{address}.json"), 200)
    assert body["status"] == "void"
    assert "code" not in body
    for form in FORMS:
        refused(await ann.get(f"{address}.{form}"), 404, "ticket_not_found")


# --- the letter -----------------------------------------------------------------------------------------------------


async def test_the_letter_with_the_tickets_arrives(shop: World, ann: Fan):
    paid = await ann.buy(7, 8)
    assert shop.house.mailbox is not None
    assert await shop.house.mailbox.list() == []
    await shop.work()
    [mail] = await shop.house.mailbox.list()
    letter = await shop.house.mailbox.read(mail.id)
    assert letter is not None
    assert letter.to == EMAIL
    assert letter.subject.startswith("Your 2 tickets: Rusalka, ")
    assert "€109.00" in letter.text
    assert letter.attachments[-1] == "tickets.pdf"
    link = re.search(r"http://[^\s]+/orders/(ord_\w+)\?secret=(\S+)", letter.text)
    assert link is not None
    assert link[1] == paid["id"]
    by_link = await shop.client.get(f"/api/v1/orders/{link[1]}", headers={"Onsale-Order-Secret": link[2]})
    assert ok(by_link, 200)["tickets"] == paid["tickets"]
    assert await shop.rows("SELECT * FROM procrastinate_jobs") == []
    await shop.ended()


async def test_a_declined_or_lost_order_brings_no_letter(shop: World, ann: Fan, bob: Fan):
    refused(await ann.pay(await ann.order(1), "sandbox_declined"), 402, "payment_declined")
    hold = await bob.hold(2)
    order = ok(await bob.place(hold), 201)["id"]
    await shop.run_out(hold)
    await ann.hold(2)
    refused(await bob.pay(order), 409, "hold_lost")
    await shop.work()
    assert shop.house.mailbox is not None
    assert await shop.house.mailbox.list() == []


async def test_hearing_of_a_captured_payment_twice_is_harmless(shop: World, ann: Fan):
    """At least once is the promise of facts: a second letter may come, of the same order, and nothing else happens."""
    paid = await ann.buy(7)
    shard_id, order_id = ids.parse("ord", paid["id"])
    before = await shop.counts()
    for _ in range(2):
        async with shop.house.database.transaction(shard_id) as tx:
            body = {"shard_id": shard_id, "order_id": order_id, "attempt": 1}
            await shop.house.jobs.defer(tx, "PaymentCaptured -> Delivery.send_tickets", body)
    await shop.work()
    after = await shop.counts()
    assert {**after, "procrastinate_jobs": 0} == {**before, "procrastinate_jobs": 0}
    assert shop.house.mailbox is not None
    mails = [await shop.house.mailbox.read(mail.id) for mail in await shop.house.mailbox.list()]
    assert len(mails) == 3
    assert len({(mail.to, mail.subject, mail.text) for mail in mails if mail}) == 1
    assert (await ann.see(paid["id"]))["tickets"] == paid["tickets"]
    await shop.ended()


async def test_the_letter_of_tickets_that_died_meanwhile_is_not_sent(shop: World, ann: Fan):
    paid = await ann.buy(7)
    shard_id, order_id = ids.parse("ord", paid["id"])
    async with shop.house.database.transaction(shard_id) as tx:
        await shop.house.checkout.tickets.void(tx, shard_id, [order_id])
    refused(await ann.get(f"/api/v1/orders/{paid['id']}/tickets.pdf"), 404, "order_not_found")
    await shop.work()
    assert shop.house.mailbox is not None
    assert await shop.house.mailbox.list() == []


def test_the_fact_that_brings_the_letter_has_the_fields_that_jobs_in_the_queue_have():
    """Jobs outlive a deployment: a field renamed here would strand letters."""
    assert PaymentCaptured.__struct_fields__ == ("shard_id", "order_id", "attempt")


# --- the worker that sends it ---------------------------------------------------------------------------------------


def another_house(shop: World) -> app.House:
    """A worker's, on the same database."""
    gateway = SandboxGateway("http://sandbox", GATEWAY_KEY, transport=httpx.ASGITransport(shop.sandbox))
    return app.build(shop.house.settings, gateway)


async def letters(shop: World) -> int:
    assert shop.house.mailbox is not None
    return len(await shop.house.mailbox.list())


async def test_a_worker_told_to_end_finishes_the_letter_it_is_at(shop: World, ann: Fan):
    await ann.buy(7)
    house = another_house(shop)
    assert house.mailbox is not None
    begun, put = asyncio.Event(), house.mailbox.put

    async def slowly(*mail: Any) -> None:
        begun.set()
        await clock.sleep(1.5)
        await put(*mail)

    house.mailbox.put = slowly  # type: ignore[method-assign, assignment]
    working = tasks.spawn(app.work(house), name="worker")
    async with asyncio.timeout(20):
        await begun.wait()
    await tasks.cancel(working)
    assert await shop.rows("SELECT status::text FROM procrastinate_jobs WHERE status = 'doing'") == []
    await shop.work()
    assert await letters(shop) == 1


async def test_a_letter_whose_worker_was_killed_is_sent_by_another(shop: World, ann: Fan):
    await ann.buy(7)
    dead = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
    await shop.rows("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", await shop.value(dead))
    working = tasks.spawn(app.work(another_house(shop)), name="worker")
    for _ in range(50):
        if await letters(shop):
            break
        await clock.sleep(0.1)
    await tasks.cancel(working)
    assert await letters(shop) == 1
