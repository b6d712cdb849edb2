"""Signing in by a code from the mail, and out again."""

import re

from playwright.sync_api import expect
from tests.e2e.fan import Fan


def _ask_for_code(fan: Fan) -> None:
    fan.go("/")
    fan.page.get_by_role("link", name="Sign in").click()
    fan.page.get_by_test_id("email").fill(fan.email)
    fan.page.get_by_role("button", name="Send me a code").click()
    expect(fan.page.get_by_role("heading", name="Look in your mail")).to_be_visible()


def _code(fan: Fan) -> str:
    """From the mailbox, in another tab."""
    tab = fan.new_tab()
    tab.goto("/dev/mailbox")
    tab.get_by_test_id("mail").filter(has_text=fan.email).first.click()
    code = re.search(r"\d{6}", tab.get_by_role("heading", level=1).inner_text())
    assert code
    tab.close()
    return code.group()


def test_a_fan_signs_in_by_a_code_and_out_again(visit, site, size):
    fan: Fan = visit(size)
    _ask_for_code(fan)
    page = fan.page
    fan.expected = (401, 403, 422)
    page.get_by_test_id("code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".note--bad")).to_be_visible()

    page.get_by_test_id("code").fill(_code(fan))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    event = site.event(q="Compagnia Sottovoce")
    fan.open(event)
    expect(page.get_by_test_id("email")).to_have_value(fan.email)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    # The seat map begins a guest's session as soon as it is there again.
    session = fan.context.request.get("/api/v1/session")
    assert session.status == 401 or session.json()["email"] is None


def test_a_hold_survives_signing_in(visit, site):
    fan: Fan = visit()
    event = site.event(q="Compagnia Sottovoce")
    fan.open(event)
    fan.best(2)
    held = fan.held()
    _ask_for_code(fan)
    fan.page.get_by_test_id("code").fill(_code(fan))
    fan.page.get_by_role("button", name="Sign in").click()
    expect(fan.page.get_by_role("button", name="Sign out")).to_be_visible()
    fan.open(event)
    expect(fan.panel).to_be_visible()
    assert fan.held() == held


def test_signing_in_works_without_scripts(visit):
    fan: Fan = visit("phone", java_script_enabled=False)
    _ask_for_code(fan)
    fan.page.get_by_test_id("code").fill(_code(fan))
    fan.page.get_by_role("button", name="Sign in").click()
    fan.page.get_by_role("button", name="Sign out").click()
    expect(fan.page.get_by_role("link", name="Sign in")).to_be_visible()
