"""A crowd against a small shop: it buys the shop out, keeps to its rules, and notices each broken promise."""

import io

import msgspec
import pytest
from rich.console import Console
from tests.unit.drop.servers import answer, repeating, serving
from tests.unit.drop.shop import Shop

from onsale.drop import BuyoutReport, Habits, RequestFailed, buy_out

pytestmark = pytest.mark.anyio


async def bought_out(shop, buyers, habits=None, **options):
    async with serving(shop.talk) as url:
        return await buy_out(url, 1, buyers, 5, over_s=0.3, habits=habits, **options)


async def test_a_crowd_buys_everything_and_nobody_gets_anothers_seat():
    shop = Shop(200)
    report = await bought_out(shop, 150)
    assert report.good, (report.contradictions, report.failures)
    assert report.sold_out
    assert shop.states == [2] * 200
    assert report.tickets == report.sold == 200
    assert sum(fans * tickets for tickets, fans in report.tickets_per_fan.items()) == 200
    assert sum(report.tickets_per_fan.values()) == sum(report.outcomes.values()) == 150
    assert report.outcomes["gave_back"] > 0
    assert shop.declined > 0
    assert len(shop.addresses) > 50
    assert {
        "session",
        "event",
        "availability",
        "hold",
        "order",
        "payment",
        "order read",
    } < report.steps.keys()
    assert report.steps["payment to tickets"].count == report.outcomes["confirmed"]


async def test_the_same_seed_makes_the_same_crowd():
    first, again = [Shop(500) for _ in range(2)]
    reports = [await bought_out(shop, 60, at_once_max=1) for shop in (first, again)]
    assert reports[0].outcomes == reports[1].outcomes
    assert reports[0].tickets_per_fan == reports[1].tickets_per_fan


async def test_who_is_asked_to_wait_waits_and_is_counted():
    shop = Shop(100, breaks="busy")
    report = await bought_out(shop, 20, Habits(abandon_share=0.0))
    assert report.good
    assert report.refused["hold: 429 too_many_requests"] == 20
    assert report.retries == 20
    # A repeated request carries the key it had, so that it cannot be done twice.
    assert len(shop.keys) - len(set(shop.keys)) == 20


@pytest.mark.parametrize(
    ("breaks", "told"),
    [("one owner", "was sold to fan"), ("tickets", "0 tickets for"), ("whole holds", "asked for")],
)
async def test_a_broken_promise_is_a_contradiction(breaks, told):
    report = await bought_out(Shop(40, breaks), 20, Habits(abandon_share=0.0))
    assert not report.good
    assert report.contradicted >= len(report.contradictions) > 0
    assert any(told in text for text in report.contradictions)


async def test_a_shop_that_breaks_off_is_a_failure_not_a_refusal():
    shop = Shop(40, breaks="holds")
    report = await bought_out(shop, 5)
    assert not report.good
    assert report.failures == {"hold: http 500": 5}
    assert report.outcomes == {"refused:internal_error": 5}


async def test_an_event_that_is_not_there_is_said_at_once():
    async with serving(repeating(answer(b"{}", "404 Not Found"))) as url:
        with pytest.raises(RequestFailed, match="404"):
            await buy_out(url, 99, 10)


async def test_a_report_is_json_and_a_table():
    shown = io.StringIO()
    console = Console(file=shown, width=160)
    report = await bought_out(Shop(30), 30, console=console)
    assert msgspec.json.decode(msgspec.json.encode(report), type=BuyoutReport) == report
    console.print(report.table())
    text = shown.getvalue()
    assert "payment to tickets" in text
    assert "sold out" in text
