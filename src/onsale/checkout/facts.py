"""What checkout says has happened."""

from onsale.kit.facts import Fact


class OrderPlaced(Fact, frozen=True, kw_only=True):
    order_id: int


class PaymentStarted(Fact, frozen=True, kw_only=True):
    order_id: int
    attempt: int


class PaymentFailed(Fact, frozen=True, kw_only=True):
    """No money was taken: declined, or given back because the seats were gone."""

    order_id: int
    attempt: int
    reason: str


class OrderPaid(Fact, frozen=True, kw_only=True):
    """The money is reserved, the seats are sold, the tickets issued; the capture follows."""

    order_id: int
    attempt: int


class PaymentCaptured(Fact, frozen=True, kw_only=True):
    """The money has been taken, once: the order is confirmed."""

    order_id: int
    attempt: int


class CaptureFailed(Fact, frozen=True, kw_only=True):
    """The gateway refused for good to hand over reserved money: tickets are void, seats back on sale."""

    order_id: int
    attempt: int
