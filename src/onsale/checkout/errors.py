"""What checkout says no with."""

from onsale.kit.problems import Problem


class OrderNotFound(Problem):
    """Also for somebody else's order: that it exists is nobody's business."""

    code = "order_not_found"
    status = 404
    title = "There is no such order of yours"


class HoldLost(Problem):
    code = "hold_lost"
    status = 409
    title = "The time for these seats is over; no money was taken"


class HoldInOrder(Problem):
    code = "hold_in_another_order"
    status = 409
    title = "Some of these seats are in another order of yours"


class TooManyHolds(Problem):
    code = "too_many_holds"
    status = 422
    title = "That is more than one order may take"


class HoldsOfSeveralEvents(Problem):
    code = "holds_of_several_events"
    status = 422
    title = "One order is for one event"


class UnknownMethod(Problem):
    code = "unknown_payment_method"
    status = 422
    title = "We do not know this way to pay"


class PaymentDeclined(Problem):
    code = "payment_declined"
    status = 402
    title = "Your bank said no; your seats are kept"


class MoneyNotReceived(Problem):
    code = "money_not_received"
    status = 409
    title = "Your bank did not hand over the money; what was reserved goes back, and the seats are free again"


class TooManyAttempts(Problem):
    code = "too_many_payment_attempts"
    status = 429
    title = "Too many tries to pay this order"
