"""The sandbox's charges: what may become of one, and how Stripe would show it. Pure: no clock, no chance, no I/O."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Stripe's words for a PaymentIntent."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the sandbox's bank treats a payment method."""

    label: str
    decline_code: str | None = None
    message: str = ""


METHODS = {
    "sandbox_ok": Behaviour("Test card: succeeds"),
    "sandbox_declined": Behaviour("Test card: is declined", "generic_decline", "Your card was declined."),
}
"""Every payment method of the sandbox. Adding one is adding a row."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One PaymentIntent and its charge. Amounts in minor units, `created` in Unix seconds."""

    intent: str
    order_id: str
    attempt: int
    amount: int
    currency: str
    method: str
    description: str
    status: str
    captured: int
    refunded: int
    created: int


class Refused(Exception):
    """An answer that says no, in Stripe's terms. `charge` is the payment it is about, when there is one."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        charge: Charge | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.charge = charge


def authorised(
    *,
    intent: str,
    order_id: str,
    attempt: int,
    amount: int,
    currency: str,
    method: str,
    description: str,
    created: int,
) -> Charge:
    """A new charge, authorised or declined as its method behaves. Raises Refused for a method nobody knows."""
    behaviour = METHODS.get(method)
    if behaviour is None:
        raise Refused(400, f"No such payment method: '{method}'", code="resource_missing", param="payment_method")
    status = Status.REQUIRES_PAYMENT_METHOD if behaviour.decline_code else Status.REQUIRES_CAPTURE
    return Charge(intent, order_id, attempt, amount, currency, method, description, status, 0, 0, created)


def captured(charge: Charge) -> Charge:
    """The whole amount taken. Raises Refused unless it is reserved."""
    if charge.status != Status.REQUIRES_CAPTURE:
        raise _unexpected(charge, "captured")
    return replace(charge, status=Status.SUCCEEDED, captured=charge.amount)


def canceled(charge: Charge) -> Charge:
    """The reservation given up. Raises Refused when money was taken, or it was given up before."""
    if charge.status in (Status.SUCCEEDED, Status.CANCELED):
        raise _unexpected(charge, "canceled")
    return replace(charge, status=Status.CANCELED)


def refunded(charge: Charge, amount: int) -> Charge:
    """Some of the taken money given back. Raises Refused when none was taken, or not that much is left."""
    if charge.status != Status.SUCCEEDED:
        raise _unexpected(charge, "refunded")
    left = charge.captured - charge.refunded
    if left == 0:
        message = f"The payment {charge.intent} has already been refunded."
        raise Refused(400, message, code="charge_already_refunded", charge=charge)
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})."
        raise Refused(400, message, code="amount_too_large", param="amount", charge=charge)
    return replace(charge, refunded=charge.refunded + amount)


def declined(charge: Charge) -> Refused:
    """What the bank said, for a charge that it declined."""
    behaviour = METHODS[charge.method]
    return Refused(
        402,
        behaviour.message,
        kind="card_error",
        code="card_declined",
        decline_code=behaviour.decline_code,
        charge=charge,
    )


def _unexpected(charge: Charge, verb: str) -> Refused:
    message = f"This PaymentIntent could not be {verb} because it has a status of {charge.status}."
    return Refused(400, message, code="payment_intent_unexpected_state", charge=charge)


def intent_json(charge: Charge) -> dict[str, Any]:
    """The PaymentIntent. Its charge is always expanded: it alone knows what went back."""
    was_declined = METHODS[charge.method].decline_code is not None
    return {
        "id": charge.intent,
        "object": "payment_intent",
        "amount": charge.amount,
        "amount_capturable": charge.amount if charge.status == Status.REQUIRES_CAPTURE else 0,
        "amount_received": charge.captured,
        "capture_method": "manual",
        "created": charge.created,
        "currency": charge.currency,
        "description": charge.description,
        "last_payment_error": _error(declined(charge)) if was_declined else None,
        "latest_charge": {
            "id": charge.intent.replace("pi_", "ch_", 1),
            "object": "charge",
            "amount_captured": charge.captured,
            "amount_refunded": charge.refunded,
        },
        "livemode": False,
        "metadata": {"order": charge.order_id, "attempt": str(charge.attempt)},
        "payment_method": charge.method,
        "status": charge.status,
    }


def refund_json(refund: str, charge: Charge, amount: int) -> dict[str, Any]:
    """The Refund, with the payment it belongs to expanded as it stands afterwards."""
    return {
        "id": refund,
        "object": "refund",
        "amount": amount,
        "currency": charge.currency,
        "payment_intent": intent_json(charge),
        "status": "succeeded",
    }


def error_json(refused: Refused) -> dict[str, Any]:
    """Stripe's error body."""
    error = _error(refused)
    if refused.charge is not None:
        error["payment_intent"] = intent_json(refused.charge)
    return {"error": error}


def _error(refused: Refused) -> dict[str, Any]:
    error = {
        "type": refused.kind,
        "message": refused.message,
        "code": refused.code,
        "decline_code": refused.decline_code,
        "param": refused.param,
    }
    return {name: value for name, value in error.items() if value is not None}
