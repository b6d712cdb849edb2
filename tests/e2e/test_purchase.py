"""The main job in a browser: from a search to tickets in hand, at desk and on the phone."""

import re
from io import BytesIO
from typing import Any

import zxingcpp
from PIL import Image
from playwright.sync_api import expect
from tests.e2e.fan import Fan


def test_a_fan_finds_an_event_and_leaves_with_tickets(visit, site, size, picture):
    fan: Fan = visit(size)
    event = site.event(q="Marisol Vane")
    fan.go("/")
    expect(fan.page.get_by_test_id("event-card").first).to_be_visible()
    picture(fan, "home")

    cards = fan.find("marisol vane")
    expect(cards).to_have_count(1)
    cards.get_by_role("link").click()
    fan.await_map()
    fan.page.wait_for_timeout(300)
    picture(fan, "event")

    seats = site.free_together(event["id"], 2, after=event["chart"]["seats"] // 2)
    fan.pick(seats)
    picture(fan, "seats")
    fan.page.get_by_test_id("hold-picks").click()
    expect(fan.panel).to_be_visible()
    expect(fan.panel.get_by_test_id("countdown")).to_have_text(re.compile(r"[45]:\d\d"))
    assert len(fan.held()) == 2
    fan.page.wait_for_timeout(600)
    picture(fan, "hold")

    fan.to_payment()
    expect(fan.page.get_by_test_id("countdown")).to_have_text(re.compile(r"[45]:\d\d"))
    picture(fan, "pay")
    fan.pay("sandbox_declined")
    expect(fan.problem).to_contain_text(re.compile(r"Your bank said no.*kept for \d:\d\d", re.DOTALL))
    site.await_states(event["id"], dict.fromkeys(seats, 1))

    fan.pay()
    expect(fan.tickets).to_have_count(2)
    expect(fan.page.get_by_role("heading", name="You are going.")).to_be_visible()
    site.await_states(event["id"], dict.fromkeys(seats, 2))
    codes = _codes(fan)
    assert len(set(codes)) == 2, "each ticket shows a code of its own that a scanner can read"
    picture(fan, "tickets")
    _reads_the_letter(fan, event)


def _codes(fan: Fan) -> list[str]:
    found = []
    for image in fan.page.locator(".ticket__code img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_be_visible()
        shot = Image.open(BytesIO(image.screenshot())).convert("L").resize((640, 640))
        read = zxingcpp.read_barcodes(shot)
        assert read, "the code on the screen can be scanned"
        found.append(read[0].text)
    fan.page.evaluate("scrollTo(0, 0)")
    return found


def _reads_the_letter(fan: Fan, event: Any) -> None:
    """The worker sends it; the mailbox page has no scripts, so it is looked at again until it is there."""
    fan.open_letter(fan.email)
    expect(fan.page.get_by_role("heading", level=1)).to_contain_text(event["title"])
    letter_body = fan.page.frame_locator("iframe")
    expect(letter_body.locator("body")).to_contain_text(event["venue"]["name"])


def test_tickets_stay_at_their_address_and_print(visit, site):
    fan: Fan = visit()
    event = site.event(q="Gravit")
    fan.open(event)
    fan.best(1)
    fan.to_payment()
    fan.pay()
    expect(fan.tickets).to_have_count(1)
    address = fan.page.url

    fan.page.reload()
    expect(fan.tickets).to_have_count(1)
    pdf = fan.context.request.get(fan.tickets.get_by_role("link", name="PDF").get_attribute("href") or "")
    assert pdf.headers["content-type"] == "application/pdf" and pdf.body().startswith(b"%PDF")

    other: Fan = visit("phone")
    other.go(address)
    expect(other.tickets).to_have_count(1)
    other.expected = (404,)
    other.go(address.partition("?")[0])
    expect(other.page.get_by_role("heading", level=1)).to_have_text("There is no such order of yours")


def test_paying_works_without_scripts(visit, site):
    fan: Fan = visit()
    event = site.event(q="Gravit")
    fan.open(event)
    fan.best(1)
    fan.to_payment()
    address = fan.page.url

    plain: Fan = visit("phone", java_script_enabled=False)
    plain.go(address)
    plain.expected = (402,)
    plain.pay("sandbox_declined")
    expect(plain.problem).to_contain_text("Your bank said no")
    plain.pay()
    expect(plain.tickets).to_have_count(1)
    plain.page.reload()
    expect(plain.tickets).to_have_count(1)
