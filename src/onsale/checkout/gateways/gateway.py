"""What checkout asks of a gateway, and what it may hear."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class GatewayState(StrEnum):
    """Where a payment stands, as far as the gateway told us."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    # Some or all of the captured money went back: `refunded_minor` says how much.
    REFUNDED = "refunded"
    # The bank said no. This attempt is over; the fan may try another.
    DECLINED = "declined"
    # The gateway understood the request and will not do it (a refund above what was paid): nothing moved.
    REFUSED = "refused"
    # The gateway knows no payment of that reference. Never final: a request of ours may still be on its way.
    NOT_FOUND = "not_found"
    # No answer, or none that can be read. Money may have moved: ask `status`, or repeat with the same key.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Intent:
    """One attempt to pay one order. `order` is its public id; attempts count from 1."""

    order: str
    attempt: int
    amount_minor: int
    currency: str
    method: str
    description: str

    @property
    def key(self) -> str:
        return idempotency_key(self.order, self.attempt)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A payment as the gateway tells it: always the whole payment, never only the last request.

    So voiding what was captured answers CAPTURED, and a second refund answers the sum of both.
    A replayed answer is the one first given; what is so *now* only `status` says.

    ref             the gateway's reference; empty when it gave none
    amount_minor    what was authorised, in minor units of the order's currency
    refunded_minor  what went back in all
    attempt         ours, read back from the metadata; None when the gateway did not say
    decline_code    the gateway's own word for why not, for programs
    message         the same for people; for UNKNOWN, what went wrong
    """

    state: GatewayState
    ref: str = ""
    amount_minor: int = 0
    refunded_minor: int = 0
    attempt: int | None = None
    decline_code: str | None = None
    message: str = ""


def idempotency_key(order: str, attempt: int, verb: str = "") -> str:
    """The key of one money movement: `order:attempt` authorises, `order:attempt:capture` captures, and so on."""
    return f"{order}:{attempt}:{verb}" if verb else f"{order}:{attempt}"


class Gateway(Protocol):
    """A payment gateway. No verb raises for what happened on the network or at the gateway."""

    @property
    def methods(self) -> Mapping[str, str]:
        """Ways to pay that a fan may choose from: id -> label."""
        ...

    async def authorise(self, intent: Intent) -> Outcome:
        """Reserve the money. The key is the intent's own."""
        ...

    async def capture(self, ref: str, key: str) -> Outcome:
        """Take the reserved money, all of it."""
        ...

    async def void(self, ref: str, key: str) -> Outcome:
        """Give up the reservation. What was captured meanwhile stays so, and the outcome says CAPTURED."""
        ...

    async def refund(self, ref: str, amount_minor: int, key: str) -> Outcome:
        """Give back some or all of the captured money."""
        ...

    async def status(self, order: str) -> list[Outcome]:
        """Every payment the gateway knows of that order, oldest first; [] when it knows none (which is never final).

        When the gateway could not be asked: one UNKNOWN.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections. The gateway is not used afterwards."""
        ...
