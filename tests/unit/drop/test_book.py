"""Our payments held against the gateway's book: each way in which they can differ has a name."""

import pytest

from onsale.drop.book import CHECKS, Charge, Payment, State, compare

RESERVED = Charge("ord_1", 1, 5_000, "eur", "requires_capture", 0, 0)
TAKEN = Charge("ord_1", 1, 5_000, "eur", "succeeded", 5_000, 0)
GIVEN_BACK = Charge("ord_1", 1, 5_000, "eur", "succeeded", 5_000, 5_000)
LET_GO = Charge("ord_1", 1, 5_000, "eur", "canceled", 0, 0)
NO = Charge("ord_1", 1, 5_000, "eur", "requires_payment_method", 0, 0)


def broken(state, *charges):
    payments = [] if state is None else [Payment("ord_1", 1, state, 5_000, "EUR")]
    found = compare(payments, charges)
    assert found.keys() == CHECKS.keys()
    return {name for name, lines in found.items() if lines}


@pytest.mark.parametrize(
    ("state", "charges"),
    [
        (State.AUTHORISING, []),
        (State.AUTHORISING, [RESERVED]),
        (State.CAPTURING, [RESERVED]),
        (State.CAPTURING, [TAKEN]),
        (State.CAPTURED, [TAKEN]),
        (State.DECLINED, [NO]),
        (State.DECLINED, []),
        (State.VOIDING, [RESERVED]),
        (State.VOIDED, [LET_GO]),
        (State.REFUNDING, [TAKEN]),
        (State.REFUNDED, [GIVEN_BACK]),
        (State.CAPTURE_FAILED, [LET_GO]),
    ],
)
def test_what_belongs_together_breaks_nothing(state, charges):
    assert broken(state, *charges) == set()


@pytest.mark.parametrize(
    ("state", "charges", "names"),
    [
        (State.CAPTURED, [], {"book_money_not_taken"}),
        (State.CAPTURED, [RESERVED], {"book_money_not_taken"}),
        (State.CAPTURED, [GIVEN_BACK], {"book_money_not_taken"}),
        (State.DECLINED, [TAKEN], {"book_money_kept"}),
        (State.VOIDED, [TAKEN], {"book_money_kept"}),
        (State.VOIDED, [RESERVED], {"book_money_reserved"}),
        (State.REFUNDED, [TAKEN], {"book_money_kept"}),
        (State.CAPTURE_FAILED, [TAKEN], {"book_money_kept"}),
        (None, [NO], {"book_charge_without_payment"}),
        (State.CAPTURED, [TAKEN, NO], {"book_charged_twice"}),
    ],
)
def test_each_way_to_differ_has_its_name(state, charges, names):
    assert broken(state, *charges) == names


def test_an_order_charged_in_two_attempts_is_seen():
    payments = [Payment("ord_1", attempt, State.CAPTURED, 5_000, "EUR") for attempt in (1, 2)]
    second = Charge("ord_1", 2, 5_000, "eur", "succeeded", 5_000, 0)
    found = compare(payments, [TAKEN, second])
    assert {name for name, lines in found.items() if lines} == {"book_order_paid_twice"}


@pytest.mark.parametrize(
    "other", [{"amount_minor": 4_999, "currency": "EUR"}, {"amount_minor": 5_000, "currency": "USD"}]
)
def test_another_amount_or_currency_is_seen(other):
    found = compare([Payment("ord_1", 1, State.AUTHORISING, **other)], [RESERVED])
    assert {name for name, lines in found.items() if lines} == {"book_other_amount"}
