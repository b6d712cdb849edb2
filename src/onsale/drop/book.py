"""The gateway's book held against ours: what it took, per order and attempt, and what the payments table says about it.

Pure comparison, after design.md section 7: a payment ends captured with the money taken once, or in any other way with
none of it kept. Payments under way are judged only by what can never be right.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from onsale.drop.client import Client
from onsale.drop.connection import Failure, RequestFailed
from onsale.drop.drop_limits import BOOK_PAGES_MAX

CHECKS = {
    "book_charge_without_payment": "Invariant 4: the gateway charged only what the payments table knows of.",
    "book_charged_twice": "Invariant 4: the gateway was asked to charge an attempt once.",
    "book_other_amount": "Invariant 4: the gateway charged our amount in our currency.",
    "book_money_not_taken": "Invariant 4: what we call captured was captured, whole, and not given back.",
    "book_money_kept": "Invariant 4: of a payment that ended without tickets the gateway keeps no money.",
    "book_money_reserved": "Invariant 4: of a payment that ended without tickets no money stays reserved on the card.",
    "book_order_paid_twice": "Invariant 4: over all attempts an order was never charged more than once.",
}


class State(IntEnum):
    """`payment.state`, as the migration numbers it."""

    AUTHORISING = 1
    CAPTURING = 2
    CAPTURED = 3
    DECLINED = 4
    VOIDING = 5
    VOIDED = 6
    REFUNDING = 7
    REFUNDED = 8
    CAPTURE_FAILED = 9


_NO_MONEY = frozenset((State.DECLINED, State.VOIDED, State.REFUNDED, State.CAPTURE_FAILED))


class Charge(msgspec.Struct, frozen=True):
    """One line of the book. Amounts in minor units; `order` is its public id, `state` the gateway's own word."""

    order: str
    attempt: int
    amount: int
    currency: str
    state: str
    captured: int
    refunded: int

    @property
    def kept(self) -> int:
        return self.captured - self.refunded


@dataclass(frozen=True, slots=True)
class Payment:
    """One row of the payments table, under its order's public id."""

    order: str
    attempt: int
    state: int
    amount_minor: int
    currency: str


class _Page(msgspec.Struct):
    items: list[Charge]
    next: int | None


async def read_book(gateway_url: str, key: str) -> list[Charge]:
    """Every charge in the sandbox gateway's book (`GET /book`, page by page). Raises RequestFailed."""
    charges: list[Charge] = []
    after = 0
    async with Client(gateway_url, connections_max=1) as client:
        for _ in range(BOOK_PAGES_MAX):
            response = await client.get(f"/book?after={after}", [("Authorization", f"Bearer {key}")])
            if response.status != 200:
                raise RequestFailed(Failure.MALFORMED, f"the gateway's book was answered {response.status}")
            page = response.json(_Page)
            charges += page.items
            if page.next is None:
                return charges
            after = page.next
    raise RequestFailed(Failure.TOO_LARGE, f"the gateway's book has more than {BOOK_PAGES_MAX} pages")


def compare(payments: Iterable[Payment], charges: Sequence[Charge]) -> dict[str, list[str]]:
    """Check -> what breaks it, a line each; every check of CHECKS is there, empty when all is well."""
    book: dict[tuple[str, int], list[Charge]] = defaultdict(list)
    kept: dict[str, int] = defaultdict(int)
    for charge in charges:
        book[charge.order, charge.attempt].append(charge)
        kept[charge.order] += charge.kept > 0
    broken: dict[str, list[str]] = {name: [] for name in CHECKS}
    for payment in payments:
        charged = book.pop((payment.order, payment.attempt), [])
        for name, detail in _faults(payment, charged):
            broken[name].append(f"{payment.order} attempt {payment.attempt}: {detail}")
    for (order, attempt), unknown in book.items():
        broken["book_charge_without_payment"].append(f"{order} attempt {attempt}: {_told(unknown)}")
    for order, times in kept.items():
        if times > 1:
            broken["book_order_paid_twice"].append(f"{order}: {times} charges keep money")
    return broken


def _faults(payment: Payment, charged: Sequence[Charge]) -> Iterator[tuple[str, str]]:
    told = f"{State(payment.state).name.lower()} here; {_told(charged)}"
    if len(charged) > 1:
        yield "book_charged_twice", told
    ours = (payment.amount_minor, payment.currency.lower())
    if any((charge.amount, charge.currency.lower()) != ours for charge in charged):
        yield "book_other_amount", f"{ours[0]} {ours[1]} here; {_told(charged)}"
    kept = sum(charge.kept for charge in charged)
    if payment.state == State.CAPTURED and kept != payment.amount_minor:
        yield "book_money_not_taken", told
    if payment.state in _NO_MONEY and kept:
        yield "book_money_kept", told
    if payment.state in _NO_MONEY and any(charge.state == "requires_capture" for charge in charged):
        yield "book_money_reserved", told


def _told(charges: Sequence[Charge]) -> str:
    if not charges:
        return "nothing in the book"
    return ", ".join(
        f"{charge.state} {charge.amount} {charge.currency} in the book"
        + (f" ({charge.captured} captured, {charge.refunded} refunded)" if charge.captured else "")
        for charge in charges
    )
