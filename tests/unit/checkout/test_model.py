"""Where each answer of the gateway leads, as whole tables: a state that nobody thought of fails here."""

from collections.abc import Callable

import pytest

from onsale.checkout.gateways import GatewayState, Outcome
from onsale.checkout.model import (
    UNDER_WAY,
    PaymentState,
    after_authorising,
    after_capturing,
    after_refunding,
    after_voiding,
)

ASK_AGAIN = None

AFTER_AUTHORISING = {
    GatewayState.AUTHORISED: PaymentState.CAPTURING,
    GatewayState.CAPTURED: PaymentState.CAPTURING,
    GatewayState.VOIDED: PaymentState.VOIDED,
    GatewayState.REFUNDED: PaymentState.REFUNDING,
    GatewayState.DECLINED: PaymentState.DECLINED,
    GatewayState.REFUSED: PaymentState.DECLINED,
    GatewayState.NOT_FOUND: ASK_AGAIN,
    GatewayState.UNKNOWN: ASK_AGAIN,
}
AFTER_CAPTURING = {
    GatewayState.AUTHORISED: ASK_AGAIN,
    GatewayState.CAPTURED: PaymentState.CAPTURED,
    GatewayState.VOIDED: PaymentState.CAPTURE_FAILED,
    GatewayState.REFUNDED: PaymentState.REFUNDING,
    GatewayState.DECLINED: PaymentState.VOIDING,
    GatewayState.REFUSED: PaymentState.VOIDING,
    GatewayState.NOT_FOUND: ASK_AGAIN,
    GatewayState.UNKNOWN: ASK_AGAIN,
}
AFTER_VOIDING = {
    GatewayState.AUTHORISED: ASK_AGAIN,
    GatewayState.CAPTURED: PaymentState.REFUNDING,
    GatewayState.VOIDED: PaymentState.VOIDED,
    GatewayState.REFUNDED: PaymentState.REFUNDING,
    GatewayState.DECLINED: PaymentState.VOIDED,
    GatewayState.REFUSED: ASK_AGAIN,
    GatewayState.NOT_FOUND: ASK_AGAIN,
    GatewayState.UNKNOWN: ASK_AGAIN,
}
TABLES = [
    (after_authorising, AFTER_AUTHORISING),
    (after_capturing, AFTER_CAPTURING),
    (after_voiding, AFTER_VOIDING),
]

After = Callable[[GatewayState], PaymentState | None]


@pytest.mark.parametrize(("after", "table"), TABLES)
def test_every_answer_leads_where_the_table_says(after: After, table: dict[GatewayState, PaymentState | None]):
    assert {told: after(told) for told in GatewayState} == table


@pytest.mark.parametrize("told", GatewayState)
def test_a_refund_is_over_when_all_of_the_money_went_back_however_the_gateway_says_so(told: GatewayState):
    assert after_refunding(Outcome(told, refunded_minor=100), 100) is PaymentState.REFUNDED
    assert after_refunding(Outcome(told, refunded_minor=99), 100) is ASK_AGAIN
    assert after_refunding(Outcome(told), 100) is ASK_AGAIN


@pytest.mark.parametrize("told", [GatewayState.NOT_FOUND, GatewayState.UNKNOWN])
def test_not_found_and_no_answer_are_never_final(told: GatewayState):
    assert after_authorising(told) is after_capturing(told) is after_voiding(told) is ASK_AGAIN


def test_what_may_leave_money_at_the_gateway_goes_on_until_the_gateway_says_it_is_gone():
    """A payment ends without tickets only by an answer after which the gateway keeps none of the fan's money."""
    no_money_there = {GatewayState.VOIDED, GatewayState.DECLINED}
    nothing_happened = {(after_authorising, GatewayState.REFUSED)}
    for after, table in TABLES:
        for told, to in table.items():
            if to in (None, PaymentState.CAPTURED) or to in UNDER_WAY:
                continue
            assert told in no_money_there or (after, told) in nothing_happened, (after.__name__, told, to)
