"""Every other page: events that are not on sale, nothing found, nothing there, the reference, the mailbox."""

import re

import pytest
from playwright.sync_api import expect
from tests.e2e.fan import Fan


@pytest.fixture(scope="package")
def sold_out(site):
    """The smallest event of the season, bought out by guests, each as many as one may have."""
    event = site.event(q="Trio Aubépine")
    each = event["sale"]["seats_per_person"]
    for first in range(0, event["chart"]["seats"], each):
        site.buy(event["id"], range(first, min(first + each, event["chart"]["seats"])))
    return event


def test_a_sold_out_event_says_so_and_shows_others(visit, site, sold_out, size):
    fan: Fan = visit(size)
    for _ in range(40):
        if site.api(f"/events/{sold_out['id']}")["status"] == "SOLD_OUT":
            break
        fan.page.wait_for_timeout(250)
    fan.go(f"/events/{sold_out['id']}-{sold_out['slug']}")
    expect(fan.page.get_by_role("heading", name="Every seat has found someone")).to_be_visible()
    fan.page.get_by_role("link", name="Other events in Lyon").click()
    expect(fan.page.get_by_test_id("event-card").first).to_be_visible()


def test_an_event_that_opens_soon_counts_down(visit, site, size):
    fan: Fan = visit(size)
    event = site.event(status="UPCOMING")
    fan.go(f"/events/{event['id']}-{event['slug']}")
    expect(fan.page.get_by_test_id("countdown")).to_be_visible()
    expect(fan.page.locator("[data-unit=minutes]")).to_have_text(re.compile(r"[01]\d"))
    before = fan.page.locator("[data-unit=seconds]").inner_text()
    expect(fan.page.locator("[data-unit=seconds]")).not_to_have_text(before)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("The Whale Who Hummed", "This event will not take place"),
        ("Halcyon Eleven", "This event is moving to another date"),
    ],
)
def test_what_the_organiser_said_stands_where_the_seats_would(visit, words, says):
    fan: Fan = visit("phone")
    fan.find(words).get_by_role("link").click()
    expect(fan.page.get_by_role("heading", name=says)).to_be_visible()
    expect(fan.page.get_by_test_id("seat-map")).to_have_count(0)


def test_filters_and_a_search_without_result(visit, size):
    fan: Fan = visit(size)
    fan.go("/")
    fan.page.get_by_role("link", name="Comedy", exact=True).click()
    expect(fan.page.locator(".event__tag").first).to_have_text("Comedy")
    assert set(fan.page.locator(".event__tag").all_inner_texts()) == {"Comedy"}
    fan.page.get_by_label("City").select_option("Chicago")
    fan.page.get_by_role("button", name="Search").click()
    expect(fan.page.get_by_test_id("event-card")).to_have_count(1)
    expect(fan.find("no such band anywhere")).to_have_count(0)
    expect(fan.page.get_by_role("heading", name="Nothing fits that yet")).to_be_visible()


def test_more_events_follow_page_by_page(visit, site):
    fan: Fan = visit()
    fan.go("/")
    titles = fan.page.locator(".event h3").all_inner_texts()
    more = fan.page.get_by_role("link", name="More events")
    while more.count():
        more.click()
        titles += fan.page.locator(".event h3").all_inner_texts()
    assert sorted(titles) == sorted(item["title"] for item in site.api("/events", limit=100)["items"])


@pytest.mark.parametrize(
    "path", ["/nothing/here", "/events/999999", "/events/x", "/orders/ord_none", "/dev/mailbox/9999"]
)
def test_what_is_not_there_is_said_kindly(visit, path):
    fan: Fan = visit("phone")
    fan.expected = (404,)
    fan.go(path)
    expect(fan.page.get_by_role("heading", level=1)).to_be_visible()
    expect(fan.page.get_by_text("404 · ")).to_be_visible()
    fan.page.get_by_role("link", name="To the events").click()
    expect(fan.page.get_by_test_id("event-card").first).to_be_visible()


@pytest.mark.parametrize("path", ["/docs", "/docs/errors", "/dev/mailbox", "/sign-in", "/"])
def test_no_page_is_wider_than_its_window(visit, path, size):
    fan: Fan = visit(size)
    fan.go(path)
    assert fan.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_reference_names_every_address_and_every_code(visit, site):
    fan: Fan = visit()
    fan.go("/docs")
    for path in ("/api/v1/events/{event}/holds", "/api/v1/orders/{order}/payment", "/api/v1/session/code"):
        expect(fan.page.get_by_text(path, exact=False).first).to_be_visible()
    fan.go("/docs/errors#seats_taken")
    expect(fan.page.locator("#seats_taken")).to_be_in_viewport()
    expect(fan.page.locator("#seats_taken")).to_contain_text("409")


def test_a_letter_cannot_run_anything(visit, site):
    fan: Fan = visit()
    event = site.event(q="Compagnia Sottovoce")
    site.buy(event["id"], site.free_together(event["id"], 1, after=400))
    fan.open_letter("somebody@example.org")
    frame = fan.page.locator("iframe")
    assert frame.get_attribute("sandbox") == ""
    answer = fan.context.request.get(frame.get_attribute("src") or "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sandbox" in answer.headers["content-security-policy"]
