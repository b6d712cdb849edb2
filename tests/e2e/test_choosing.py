"""Choosing seats: the best together, by keyboard from a list, in two tabs, losing one to somebody, letting go."""

import re

from playwright.sync_api import expect
from tests.e2e.fan import Fan


def test_the_best_four_together_are_found_and_held(visit, site, size):
    fan: Fan = visit(size)
    fan.open(site.event(q="Orchestra delle Lanterne"))
    fan.best(4)
    held = fan.held()
    assert len(held) == 4
    places = [found.groups() for found in (re.search(r"Row (\S+), seat (\d+)", words) for words in held) if found]
    assert len(places) == 4
    assert len({row for row, _ in places}) == 1, "in one row"
    numbers = sorted(int(number) for _, number in places)
    assert numbers[-1] - numbers[0] in (3, 6), f"beside each other: {numbers}"


def test_a_reload_finds_the_hold_again_and_letting_go_frees_the_seats(visit, site, size):
    fan: Fan = visit(size)
    event = site.event(q="Orchestra delle Lanterne")
    seats = site.free_together(event["id"], 3, after=700)
    fan.open(event)
    fan.hold(seats)
    held = fan.held()

    fan.page.reload()
    fan.await_map()
    expect(fan.panel).to_be_visible()
    assert fan.held() == held
    expect(fan.panel.get_by_test_id("countdown")).to_have_text(re.compile(r"[45]:\d\d"))

    fan.panel.get_by_role("button", name="Let go of these seats").click()
    expect(fan.panel).to_be_hidden()
    site.await_states(event["id"], dict.fromkeys(seats, 0))


def test_two_tabs_of_one_fan_share_one_hold(visit, site):
    fan: Fan = visit()
    event = site.event(q="Orchestra delle Lanterne")
    first, second = (site.free_together(event["id"], 2, after=after) for after in (900, 1000))
    fan.open(event)
    fan.hold(first)

    other = fan.new_tab()
    fan.page, before = other, fan.page
    fan.open(event)
    expect(fan.panel).to_be_visible()
    fan.pick(second)
    fan.page.get_by_role("button", name="Hold these instead").click()
    expect(fan.page.locator("#picks")).to_be_hidden()
    site.await_states(event["id"], dict.fromkeys(first, 0) | dict.fromkeys(second, 1))

    # The first tab still shows what is gone. Going on from there must not lose the fan's way.
    before.get_by_test_id("email").fill(fan.email)
    before.get_by_test_id("to-payment").click()
    expect(before.get_by_test_id("problem")).to_be_visible()
    expect(before.get_by_test_id("hold-panel")).to_contain_text("These 2 seats are yours")
    before.reload()
    expect(before.get_by_test_id("hold-panel")).to_be_visible()


def test_a_pick_that_somebody_else_takes_is_said_at_once(visit, site):
    fan: Fan = visit("phone")
    event = site.event(q="Orchestra delle Lanterne")
    seats = site.free_together(event["id"], 2, after=1100)
    fan.open(event)
    fan.pick(seats)
    site.buy(event["id"], seats[:1])
    expect(fan.problem).to_contain_text("has just been taken")
    expect(fan.page.locator("#picks [data-seats] button")).to_have_count(1)


def test_a_seat_lost_in_the_same_moment_is_named_and_another_way_offered(visit, site):
    fan: Fan = visit()
    event = site.event(q="Orchestra delle Lanterne")
    seats = site.free_together(event["id"], 2, after=1200)
    fan.open(event)
    # The map hears nothing more, as on a train: the server alone knows.
    fan.page.route("**/availability", lambda route: route.abort())
    fan.pick(seats)
    site.buy(event["id"], seats[1:])
    fan.page.get_by_test_id("hold-picks").click()
    expect(fan.problem).to_contain_text("Somebody was a moment faster")
    expect(fan.problem).to_contain_text("Your other pick is still chosen.")
    fan.problem.get_by_role("button", name="Find the best 2 together").click()
    expect(fan.panel).to_be_visible()
    assert len(fan.held()) == 2
    fan.complaints.clear()


def test_seats_can_be_chosen_from_a_list_by_keyboard_alone(visit, site, size):
    fan: Fan = visit(size)
    fan.open(site.event(q="Orchestra delle Lanterne"))
    page = fan.page
    page.get_by_role("button", name="List").focus()
    page.keyboard.press("Enter")
    section = page.get_by_test_id("list-section")
    section.focus()
    section.select_option(index=2)
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("list-row")).to_be_focused()
    page.keyboard.press("Tab")
    for _ in range(2):
        while page.evaluate("document.activeElement.disabled || document.activeElement.checked"):
            page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
    expect(page.locator("#picks [data-seats] button")).to_have_count(2)
    page.get_by_test_id("hold-picks").focus()
    page.keyboard.press("Enter")
    expect(fan.panel).to_be_visible()
    expect(fan.panel).to_be_focused()


def test_the_map_is_worked_by_keyboard(visit, site):
    fan: Fan = visit()
    event = site.event(q="Orchestra delle Lanterne")
    fan.open(event)
    seat = site.free_together(event["id"], 1, after=1300)[0]
    canvas = fan.page.get_by_test_id("seat-map")
    canvas.focus()
    fan.page.evaluate("seat => window.onsaleMap.seatAt(seat)", seat)
    fan.page.keyboard.press("Enter")
    expect(fan.page.locator("#picks [data-seats] button")).to_have_count(1)
    fan.page.keyboard.press("Enter")
    expect(fan.page.locator("#picks")).to_be_hidden()


def test_standing_places_are_asked_for_by_number(visit, site, size):
    fan: Fan = visit(size)
    event = site.event(q="Grauwacke")
    fan.open(event)
    chart = fan.context.request.get(event["chart"]["url"]).json()
    floor = next(section for section in chart["sections"] if section["standing"])
    fan.tap(floor["first"])
    ask = fan.page.get_by_role("dialog")
    expect(ask).to_contain_text("places free")
    ask.get_by_role("button", name="One more").click()
    ask.get_by_role("button", name="Choose").click()
    fan.page.get_by_test_id("hold-picks").click()
    expect(fan.panel).to_be_visible()
    assert len(fan.held()) == 2


def test_the_map_lives_on_small_answers(visit, site):
    """What did not change is not sent again: 304 until somebody takes a seat, then it shows without a reload."""
    fan: Fan = visit()
    event = site.event(q="Compagnia Sottovoce")
    seen: list[int] = []
    fan.page.on("response", lambda answer: seen.append(answer.status) if answer.url.endswith("/availability") else None)
    fan.open(event)
    for _ in range(100):
        if 304 in seen:
            break
        fan.page.wait_for_timeout(100)
    assert 304 in seen
    expect(fan.page.locator("#fresh")).to_have_text("Live")
    counts = fan.page.locator("[data-free]")
    before = counts.all_inner_texts()
    site.buy(event["id"], site.free_together(event["id"], 4, after=event["chart"]["seats"] - 60))
    expect(counts).not_to_have_text(before)
