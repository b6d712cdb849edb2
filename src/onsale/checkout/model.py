"""Orders and payments as state machines: pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from onsale.checkout.gateways import GatewayState, Outcome
from onsale.kit.ids import PersonKey, ShardId

PREFIX = "ord"


class OrderState(IntEnum):
    PENDING = 1
    PAID = 2
    CONFIRMED = 3
    LOST = 4
    CAPTURE_FAILED = 5


class PaymentState(IntEnum):
    AUTHORISING = 1
    CAPTURING = 2
    CAPTURED = 3
    DECLINED = 4
    VOIDING = 5
    VOIDED = 6
    REFUNDING = 7
    REFUNDED = 8
    CAPTURE_FAILED = 9


UNDER_WAY = frozenset((PaymentState.AUTHORISING, PaymentState.CAPTURING, PaymentState.VOIDING, PaymentState.REFUNDING))


@dataclass(frozen=True, slots=True)
class Item:
    """One seat of an order; prices in minor units, fixed when the order was made."""

    shard_id: ShardId
    seat_no: int
    tier: int
    face_minor: int
    fee_minor: int

    @property
    def all_in_minor(self) -> int:
        return self.face_minor + self.fee_minor


@dataclass(frozen=True, slots=True)
class Order:
    """`holds` are (shard, hold) in lock order."""

    shard_id: ShardId
    order_id: int
    person: PersonKey
    state: OrderState
    email: str
    phone: str | None
    currency: str
    face_minor: int
    fee_minor: int
    total_minor: int
    created_at: datetime
    holds: tuple[tuple[ShardId, int], ...]

    @property
    def shards(self) -> list[ShardId]:
        return sorted({shard_id for shard_id, _ in self.holds})

    def holds_on(self, shard_id: ShardId) -> list[int]:
        return [hold_id for hold_shard, hold_id in self.holds if hold_shard == shard_id]


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to pay an order."""

    shard_id: ShardId
    order_id: int
    attempt: int
    state: PaymentState
    gateway: str
    method: str
    currency: str
    amount_minor: int
    gateway_ref: str | None = None
    decline_code: str | None = None


def after_authorising(told: GatewayState) -> PaymentState | None:
    """Where an answer to "authorise" leads; CAPTURING stands for "sell the seats first". None: ask again later.

    "The gateway does not know it" is never final: our request may still be on its way.
    """
    match told:
        case GatewayState.AUTHORISED | GatewayState.CAPTURED:
            return PaymentState.CAPTURING
        case GatewayState.DECLINED | GatewayState.REFUSED:
            return PaymentState.DECLINED
        case GatewayState.VOIDED:
            return PaymentState.VOIDED
        case GatewayState.REFUNDED:
            return PaymentState.REFUNDING
        case GatewayState.NOT_FOUND | GatewayState.UNKNOWN:
            return None


def after_capturing(told: GatewayState) -> PaymentState | None:
    """Where an answer to "capture" leads; anything but captured, or ask again, kills the tickets.

    A gateway that refuses may still keep the fan's money reserved, and one that gave some back may keep the rest: both
    are undone there, too.
    """
    match told:
        case GatewayState.CAPTURED:
            return PaymentState.CAPTURED
        case GatewayState.VOIDED:
            return PaymentState.CAPTURE_FAILED
        case GatewayState.DECLINED | GatewayState.REFUSED:
            return PaymentState.VOIDING
        case GatewayState.REFUNDED:
            return PaymentState.REFUNDING
        case GatewayState.AUTHORISED | GatewayState.NOT_FOUND | GatewayState.UNKNOWN:
            return None


def after_voiding(told: GatewayState) -> PaymentState | None:
    """Where an answer to "void" leads. What was captured meanwhile is given back."""
    match told:
        case GatewayState.VOIDED | GatewayState.DECLINED:
            return PaymentState.VOIDED
        case GatewayState.CAPTURED | GatewayState.REFUNDED:
            return PaymentState.REFUNDING
        case GatewayState.AUTHORISED | GatewayState.REFUSED | GatewayState.NOT_FOUND | GatewayState.UNKNOWN:
            return None


def after_refunding(told: Outcome, amount_minor: int) -> PaymentState | None:
    """Where an answer to "refund" leads: it is over when the gateway says that all of the money went back.

    That may stand in a refusal ("already refunded"), when somebody was faster at the gateway's own pages.
    """
    return PaymentState.REFUNDED if told.refunded_minor >= amount_minor else None
