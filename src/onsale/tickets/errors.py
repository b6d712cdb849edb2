"""What the tickets room says no with."""

from onsale.kit.problems import Problem


class TicketNotFound(Problem):
    """Also for somebody else's ticket: that it exists is nobody's business."""

    code = "ticket_not_found"
    status = 404
    title = "There is no such ticket of yours"
