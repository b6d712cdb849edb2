"""What inventory says no with."""

from onsale.inventory.model import Refusal, Refused
from onsale.kit.problems import KeyReused, Problem


class NotOnSale(Problem):
    code = "not_on_sale"
    status = 409
    title = "This event is not on sale"


class AccountRequired(Problem):
    code = "account_required"
    status = 403
    title = "Sign in to buy tickets for this event"


class SaleNotOpen(Problem):
    code = Refusal.NOT_OPEN.value
    status = 409
    title = "The sale has not opened yet"


class SaleEnded(Problem):
    code = Refusal.ENDED.value
    status = 409
    title = "The sale has ended"


class SaleStopped(Problem):
    code = Refusal.STOPPED.value
    status = 409
    title = "The sale is paused; held seats are kept and can be paid for"


class TooManySeats(Problem):
    code = Refusal.TOO_MANY.value
    status = 422
    title = "That is more seats than one request may take"


class UnknownSeat(Problem):
    code = Refusal.UNKNOWN_SEAT.value
    status = 422
    title = "There is no such seat at this event"


class DuplicateSeat(Problem):
    code = "duplicate_seat"
    status = 422
    title = "The same seat was asked for twice"


class PersonLimit(Problem):
    code = Refusal.PERSON_LIMIT.value
    status = 409
    title = "That would be more seats than one person may have at this event"


class SeatsTaken(Problem):
    code = Refusal.TAKEN.value
    status = 409
    title = "Somebody was faster"


class NoSeatsTogether(Problem):
    code = "no_seats_together"
    status = 409
    title = "There are not that many free seats together"


class HoldNotFound(Problem):
    code = "hold_not_found"
    status = 404
    title = "There is no such hold of yours"


class HoldExpired(Problem):
    code = "hold_expired"
    status = 409
    title = "The time for these seats is over"


_BY_REFUSAL: dict[Refusal, type[Problem]] = {
    Refusal.KEY_REUSED: KeyReused,
    Refusal.STOPPED: SaleStopped,
    Refusal.NOT_OPEN: SaleNotOpen,
    Refusal.ENDED: SaleEnded,
    Refusal.TOO_MANY: TooManySeats,
    Refusal.UNKNOWN_SEAT: UnknownSeat,
    Refusal.PERSON_LIMIT: PersonLimit,
    Refusal.TAKEN: SeatsTaken,
}


def problem_of(refused: Refused) -> Problem:
    """The answer at the edge to a refusal inside; `taken` and `unknown` name the seats."""
    kind = _BY_REFUSAL[refused.why]
    if refused.why is Refusal.TAKEN:
        return kind(taken=list(refused.seats))
    if refused.why is Refusal.UNKNOWN_SEAT:
        return kind(unknown=list(refused.seats))
    return kind()
