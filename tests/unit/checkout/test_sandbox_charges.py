"""What may become of a sandbox charge: every state against every verb, as a table."""

import pytest

from onsale.checkout.gateways import sandbox_charges as charges
from onsale.checkout.gateways.sandbox_charges import Charge, Refused


def _charge(status: str = "requires_capture", refunded: int = 0, method: str = "sandbox_ok") -> Charge:
    return Charge(
        intent="pi_1",
        order_id="ord_1",
        attempt=1,
        amount=5_000,
        currency="eur",
        method=method,
        description="",
        status=status,
        captured=5_000 if status == "succeeded" else 0,
        refunded=refunded,
        created=0,
    )


def _authorised(method: str) -> Charge:
    return charges.authorised(
        intent="pi_1",
        order_id="ord_1",
        attempt=1,
        amount=5_000,
        currency="eur",
        method=method,
        description="",
        created=0,
    )


VERBS = {
    "capture": charges.captured,
    "cancel": charges.canceled,
    "refund": lambda charge: charges.refunded(charge, 1_000),
}


@pytest.mark.parametrize(
    ("status", "verb", "after"),
    [
        ("requires_capture", "capture", "succeeded"),
        ("requires_capture", "cancel", "canceled"),
        ("requires_capture", "refund", None),
        ("requires_payment_method", "capture", None),
        ("requires_payment_method", "cancel", "canceled"),
        ("requires_payment_method", "refund", None),
        ("succeeded", "capture", None),
        ("succeeded", "cancel", None),
        ("succeeded", "refund", "succeeded"),
        ("canceled", "capture", None),
        ("canceled", "cancel", None),
        ("canceled", "refund", None),
    ],
)
def test_each_verb_moves_a_charge_or_names_the_state_it_is_in(status: str, verb: str, after: str | None) -> None:
    if after is not None:
        assert VERBS[verb](_charge(status)).status == after
        return
    with pytest.raises(Refused) as refusal:
        VERBS[verb](_charge(status))
    assert refusal.value.status == 400
    assert refusal.value.code == "payment_intent_unexpected_state"
    assert status in refusal.value.message


def test_capturing_takes_the_whole_amount_and_cancelling_takes_nothing() -> None:
    assert charges.captured(_charge()).captured == 5_000
    assert charges.canceled(_charge()).captured == 0


def test_every_method_of_the_table_authorises_or_declines() -> None:
    for method, behaviour in charges.METHODS.items():
        expected = "requires_payment_method" if behaviour.decline_code else "requires_capture"
        assert _authorised(method).status == expected
        assert behaviour.label


def test_a_method_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        _authorised("sandbox_free")
    assert (refusal.value.status, refusal.value.param) == (400, "payment_method")


@pytest.mark.parametrize(
    ("refunded", "amount", "code"),
    [
        (0, 5_001, "amount_too_large"),
        (3_000, 2_001, "amount_too_large"),
        (5_000, 1, "charge_already_refunded"),
    ],
)
def test_more_than_was_taken_never_goes_back(refunded: int, amount: int, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        charges.refunded(_charge("succeeded", refunded), amount)
    assert refusal.value.code == code


def test_refunds_add_up_to_what_was_taken() -> None:
    charge = charges.refunded(charges.refunded(_charge("succeeded"), 2_000), 3_000)
    assert charge.refunded == charge.captured == 5_000


def test_a_decline_is_told_as_stripe_tells_it() -> None:
    refused = charges.declined(_charge("requires_payment_method", method="sandbox_declined"))
    error = charges.error_json(refused)["error"]
    assert refused.status == 402
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "card_declined",
        "generic_decline",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_intent"]["last_payment_error"]["decline_code"] == "generic_decline"
