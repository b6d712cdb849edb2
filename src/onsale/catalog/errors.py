"""What the catalogue says no with."""

from onsale.kit.problems import Problem


class EventNotFound(Problem):
    code = "event_not_found"
    status = 404
    title = "There is no such event"


class ChartNotFound(Problem):
    code = "chart_not_found"
    status = 404
    title = "There is no such seating chart"


class VenueNotFound(Problem):
    code = "venue_not_found"
    status = 404
    title = "There is no such venue"


class OrganiserNotFound(Problem):
    code = "organiser_not_found"
    status = 404
    title = "There is no such organiser"


class InvalidCursor(Problem):
    code = "invalid_cursor"
    status = 400
    title = "This is not the continuation of a list"


class InvalidChart(Problem):
    code = "invalid_chart"
    status = 422
    title = "The seating chart cannot be used"


class InvalidOrganiser(Problem):
    code = "invalid_organiser"
    status = 422
    title = "The organiser cannot be listed like this"


class InvalidVenue(Problem):
    code = "invalid_venue"
    status = 422
    title = "The venue cannot be listed like this"


class InvalidEvent(Problem):
    code = "invalid_event"
    status = 422
    title = "The event cannot be listed like this"


class NotYours(Problem):
    code = "not_your_event"
    status = 403
    title = "This event belongs to another organiser"


class NameTaken(Problem):
    code = "name_taken"
    status = 409
    title = "Another one already has this name"
