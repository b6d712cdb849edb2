"""Refusals of the line."""

from onsale.kit.problems import NotFound, Problem


class NoLine(NotFound):
    code = "no_line"
    title = "This event has no line"


class NoPlace(NotFound):
    code = "no_place"
    title = "You are not in this line; join it"


class InvalidPlace(Problem):
    """Forged, run out, of another event or of another person: one answer, so that it tells nothing."""

    code = "invalid_place"
    status = 401
    title = "This place is not valid here; join the line again"
